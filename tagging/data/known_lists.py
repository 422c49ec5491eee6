"""Where the label lists of the winning solution come from; they are not part of this project."""

from __future__ import annotations

_REPOSITORY = "github.com/lRomul/argus-freesound"
# name here -> name there, commit, sha1 of the content
_LISTS = {
    "corrections_C12.json": ("corrections.json", "05a7aee7", "e272047e8a0f752922797d76ade4e424d8cdd620"),
    "corrections_C71.json": ("corrections.json", "9639288b", "61268a444b7dc963b178194df877e1ea46321750"),
    "corrections_C73.json": ("corrections.json", "bdb91501", "e80f8e59e7a875803a2331405c969cfd0ec763d6"),
    "corrections_C76.json": ("corrections.json", "31156c79", "60ac22d71d12e8a91a464a84039055f2b47f06bd"),
    "noisy_corrections_v1.json": ("noisy_corrections.json", "1fb2eea4", "782e91ab16fabab3153488e3ea220e8a05a24915"),
    "noisy_corrections_v2.json": ("noisy_corrections.json", "bdb91501", "e83aca6f6e3b2ed22fb3c1920d0422899e7a696a"),
}


def provenance(name: str) -> str:
    """Return where a known list comes from and what to do with it; empty for any other name."""
    if name not in _LISTS:
        return ""
    file, commit, sha1 = _LISTS[name]
    return f"; it is {file} of {_REPOSITORY} at commit {commit} (sha1 of its content {sha1}): put it into the data folder"
