"""What is published of each member: sizes after its label lists, draws, and its network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """One member on FSDKaggle2019; `validated` holds clips a fold, `draws` those of an epoch by source."""

    removed: int
    relabelled: int
    validated: tuple[int, ...]
    noisy: int
    trusted: int
    dropped: int
    draws: tuple[int, int, int]  # curated, noisy, trusted
    parameters: int
    heads: int


C12 = (5, 7, (992, 994, 993, 993, 993))
C71 = (14, 57, (991, 994, 989, 992, 990))
C73 = (15, 58, (991, 994, 989, 992, 989))
C76 = (14, 62, (990, 993, 990, 992, 991))
ALL_NOISY = (19_815, 0, 0)
THIRD = (22_938, 3_277, 6_554)
FOURTH = (19_661, 2_294, 10_813)
SEVENTH = (18_678, 328, 13_763)
AUX = (17_326_950, 4)
FACTS = {
    "corrections_002": Facts(*C12, *ALL_NOISY, (21_955, 10_813, 0), 16_793_587, 1),
    "corrections_003": Facts(*C12, *ALL_NOISY, (21_955, 10_813, 0), 16_793_507, 1),
    "auxiliary_016": Facts(*C76, *ALL_NOISY, (26_214, 6_554, 0), *AUX),
    "auxiliary_019": Facts(*C71, *ALL_NOISY, (26_214, 6_554, 0), *AUX),
    "corr_noisy_003": Facts(*C73, 19_815, 1_745, 0, THIRD, 22_054_246, 4),
    "corr_noisy_004": Facts(*C73, 12_816, 1_745, 6_999, FOURTH, *AUX),
    "corr_noisy_004_as_committed": Facts(*C73, 1_745, 1_745, 6_999, FOURTH, *AUX),
    "corr_noisy_007": Facts(*C73, 12_816, 1_745, 6_999, SEVENTH, *AUX),
    "corr_noisy_008": Facts(*C73, 12_816, 1_745, 6_999, SEVENTH, *AUX),
}
