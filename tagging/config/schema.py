"""The whole schema of an experiment: every field with its type, range, default and a sentence.

`experiments/base.yaml` repeats the defaults for people to read and a test keeps the two equal.
Scalars arrive as text, from YAML and from the command line alike, and are parsed by the field's type:
`9e-4` is a number where a number is wanted and `no` stays text where text is wanted.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A frozen part of the tree that knows its fields and refuses any other."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _no_nulls(value: object) -> object:
    return None if value in ("null", "none", "~", "") else value


Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
OptionalCount = Annotated[Count | None, BeforeValidator(_no_nulls)]


class FolderData(Section):
    """A folder of the user's: the FSDKaggle2019 layout, or a table with the sound beside it."""

    kind: Literal["folder"] = "folder"
    folder: str = Field("data/fsdkaggle2019", description="the data set; relative to the project's root")
    name: str = Field("", description="name of the MLflow experiment; empty: the folder's name")
    skip_unreadable: bool = Field(False, description="leave undecodable clips out instead of stopping")


class DemoData(Section):
    """Sound synthesised on the spot, as the section `demo` says."""

    kind: Literal["demo"] = "demo"
    name: str = Field("demo", description="name of the MLflow experiment")
    skip_unreadable: bool = Field(False, description="leave undecodable clips out instead of stopping")


class Demo(Section):
    """How much sound `data.kind: demo` makes."""

    seed: Seed = Field(0, description="seed of the synthesis")
    curated: Count = Field(160, description="clips with right labels")
    noisy: int = Field(80, ge=0, description="clips of which some have a wrong label")
    test: int = Field(40, ge=0, description="clips without labels")


class Labels(Section):
    """Label lists, JSON: fname -> new labels or "remove"; relative to the data folder, or a path."""

    corrections: str = Field("", description="corrected labels of curated clips; empty: none")
    noisy_selection: str = Field("", description="noisy clips to trust or to drop; empty: none")


class RandomFolds(Section):
    """scikit-learn's KFold, shuffled, over the rows of the table."""

    kind: Literal["random"] = "random"
    count: int = Field(5, ge=2, description="number of folds")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(42, description="seed of the shuffle")
    group: str = Field("", description="column whose equal values stay in one fold; empty: none")


class StratifiedFolds(Section):
    """Folds with equal shares of each label, for clips of several labels (Sechidis et al. 2011)."""

    kind: Literal["stratified"] = "stratified"
    count: int = Field(5, ge=2, description="number of folds")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(42, description="seed of the shuffle")
    group: str = Field("", description="column whose equal values stay in one fold; empty: none")


class ColumnFolds(Section):
    """The data set's own folds."""

    kind: Literal["column"] = "column"
    column: str = Field("fold", description="column of the table; its values are sorted to 0..k-1")
    group: str = Field("", description="column whose groups must not cross folds (checked); empty: none")


class Features(Section):
    """The log-mel front end."""

    sample_rate: int = Field(44100, ge=4000, le=384000, description="Hz; other rates are resampled")
    n_fft: int = Field(2560, ge=64, le=65536, multiple_of=2, description="samples of an analysis window, even")
    hop: int = Field(690, ge=16, description="samples from one frame to the next")
    n_mels: int = Field(128, ge=16, le=512, description="mel bands")
    fmin: float = Field(20, ge=0, description="Hz, lower edge of the lowest band")
    fmax: float = Field(22050, gt=0, description="Hz, upper edge of the highest band")
    min_seconds: float = Field(0.5, gt=0, le=10, description="shorter sound is padded with zeros to this")
    trim_db: float = Field(60, gt=0, description="silence at both ends this far below the loudest is cut")
    range_db: float = Field(80, gt=0, description="dB below a clip's maximum where its log-mel is floored")
    precision: Literal["float16", "float32"] = Field(
        "float16", description="of the stored log-mels; float16 adds at most 0.032 dB of error"
    )

    @model_validator(mode="after")
    def _edges(self) -> Features:
        if self.fmax > self.sample_rate / 2:
            half = self.sample_rate / 2
            raise ValueError(f"fmax {self.fmax:g} Hz lies above half the sample_rate, {half:g} Hz")
        if self.fmin >= self.fmax:
            raise ValueError(f"fmin {self.fmin:g} Hz must lie below fmax {self.fmax:g} Hz")
        return self


class Sampling(Section):
    """What a training epoch draws: each draw picks a source by probability, then one of its clips."""

    batch_size: int = Field(128, ge=2, description="clips in a step")
    draws_per_epoch: int = Field(32768, ge=2, description="clips in an epoch, whatever the data's size")
    frames: int = Field(256, ge=16, description="length of a crop, and of a tile in prediction")
    curated: Probability = Field(0.8, description="probability that a draw is a curated clip")
    noisy: Probability = Field(0.2, description="probability that a draw is a noisy clip")
    trusted: Probability = Field(0.0, description="probability that a draw is a trusted noisy clip")
    noisy_pool: Literal["all", "trusted"] = Field(
        "all",
        description="noisy draws are from all clips that labels.noisy_selection does not drop, or trusted ones alone",
    )

    @model_validator(mode="after")
    def _sums(self) -> Sampling:
        total = self.curated + self.noisy + self.trusted
        if abs(total - 1) > 1e-6:
            raise ValueError(f"curated + noisy + trusted is {total:g}; the three must add up to 1")
        if self.draws_per_epoch < self.batch_size:
            raise ValueError(f"draws_per_epoch {self.draws_per_epoch} is less than batch_size {self.batch_size}")
        return self


class ResizedCrop(Section):
    """Random resized crop of the log-mel picture; its native ratio is 2 (256 frames by 128 bands)."""

    prob: Probability = Field(0.33, description="share of clips")
    scale_min: float = Field(0.8, gt=0, le=1, description="smallest area kept")
    scale_max: float = Field(1.0, gt=0, le=1, description="largest area kept")
    ratio_min: Positive = Field(1.7, description="smallest width over height")
    ratio_max: Positive = Field(2.3, description="largest width over height")

    @model_validator(mode="after")
    def _ordered(self) -> ResizedCrop:
        if self.scale_min > self.scale_max or self.ratio_min > self.ratio_max:
            raise ValueError("scale_min and ratio_min must not exceed scale_max and ratio_max")
        return self


class SpecAugment(Section):
    """Masks of bands and of frames (Park et al. 2019)."""

    prob: Probability = Field(0.5, description="share of clips")
    max_masks: int = Field(2, ge=1, le=16, description="1 to this many masks of each kind")
    freq_share: Share = Field(0.15, description="widest mask of bands, as a share of all")
    time_share: Share = Field(0.20, description="widest mask of frames, as a share of all")


class Augment(Section):
    """How one look at a clip is varied."""

    wrap_prob: Probability = Field(0.5, description="share of short clips repeated to fill, not padded")
    resized_crop: ResizedCrop = ResizedCrop()
    spec_augment: SpecAugment = SpecAugment()


class Mixer(Section):
    """Two clips of one source made into one."""

    prob: Probability = Field(0.8, description="share of draws that are mixed")
    sigmoid_share: Share = Field(0.6, description="of those, by SigmoidConcat; the rest by MixUp")
    sigmoid_min: int = Field(3, ge=1, le=100, description="gentlest slope of SigmoidConcat")
    sigmoid_max: int = Field(12, ge=1, le=100, description="steepest slope of SigmoidConcat")
    mixup_max: float = Field(0.5, ge=0, le=1, description="largest weight of MixUp's second clip")

    @model_validator(mode="after")
    def _ordered(self) -> Mixer:
        if self.sigmoid_min > self.sigmoid_max:
            raise ValueError(f"sigmoid_min {self.sigmoid_min} exceeds sigmoid_max {self.sigmoid_max}")
        return self


class Network(Section):
    """What all networks have: a width and dropout."""

    stride: ClassVar[int] = 16  # bands and frames that become one place of the last map
    kind: str
    base_size: int = Field(64, ge=2, le=512, description="channels of the first block; all widths follow")
    dropout: float = Field(0.4, ge=0, lt=1, description="before a head's first layer, half before its last")


class AttentionNetwork(Network):
    """What the networks with a CBAM attention have."""

    attended: ClassVar[int] = 8  # channels under attention, in base sizes
    cbam_ratio: int = Field(16, ge=1, description="channels over hidden units of the channel attention")
    spatial_kernel: Literal[3, 5, 7] = Field(7, description="kernel of the spatial attention")

    @model_validator(mode="before")
    @classmethod
    def _kernel(cls, values: object) -> object:
        # a Literal of ints does not parse text
        if isinstance(values, dict) and str(values.get("spatial_kernel", "")).isdigit():
            values = {**values, "spatial_kernel": int(values["spatial_kernel"])}
        return values

    @model_validator(mode="after")
    def _bottleneck(self) -> Self:
        channels = self.attended * self.base_size
        if self.cbam_ratio > channels:
            raise ValueError(f"cbam_ratio {self.cbam_ratio} exceeds the {channels} channels that base_size gives")
        return self


class SkipNetwork(AttentionNetwork):
    """What the networks with skips to the attention have."""

    attended: ClassVar[int] = 32
    last_filters: int = Field(8, ge=1, description="channels after the merge, in base sizes")


class SkipAttentionModel(SkipNetwork):
    """Convolutions, skips to a CBAM attention, one head."""

    kind: Literal["skip_attention"] = "skip_attention"
    dropout: float = Field(0.2, ge=0, lt=1, description="before the head's first layer, half before its last")
    last_fc: int = Field(2, ge=1, description="hidden units of the head, in base sizes")


class AuxSkipAttentionModel(SkipNetwork):
    """Convolutions, skips to a CBAM attention, and auxiliary heads on the skips."""

    kind: Literal["aux_skip_attention"] = "aux_skip_attention"
    last_fc: int = Field(4, ge=1, description="hidden units of a head, in base sizes")


class RnnAuxSkipAttentionModel(SkipNetwork):
    """The same with a bidirectional LSTM along time in place of the main head's mean."""

    kind: Literal["rnn_aux_skip_attention"] = "rnn_aux_skip_attention"
    last_fc: int = Field(4, ge=1, description="hidden units of a head, in base sizes")


class SimpleAttentionModel(AttentionNetwork):
    """Convolutions, a CBAM attention, one head; no skips."""

    kind: Literal["simple_attention"] = "simple_attention"
    dropout: float = Field(0.2, ge=0, lt=1, description="before the head's first layer, half before its last")
    last_fc: int = Field(2, ge=1, description="hidden units of the head, in base sizes")


class SimpleKaggleModel(Network):
    """Convolutions with biases, mean over time and maximum over bands, one head."""

    kind: Literal["simple_kaggle"] = "simple_kaggle"
    dropout: float = Field(0.2, ge=0, lt=1, description="before the head's first layer, half before its last")
    last_fc: int = Field(2, ge=1, description="hidden units of the head, in base sizes")


class FeatureExtractorModel(Network):
    """A small network: seven convolutions, six times max-pooled, one linear layer."""

    stride: ClassVar[int] = 64
    kind: Literal["feature_extractor"] = "feature_extractor"
    base_size: int = Field(32, ge=2, le=512, description="channels of the first convolution; all widths follow")
    dropout: float = Field(0.25, ge=0, lt=1, description="of whole channels, after each pooling")


Model = Annotated[
    SkipAttentionModel
    | AuxSkipAttentionModel
    | RnnAuxSkipAttentionModel
    | SimpleAttentionModel
    | SimpleKaggleModel
    | FeatureExtractorModel,
    Field(discriminator="kind"),
]


class Loss(Section):
    """BCE on curated and trusted clips, L_soft on noisy ones; each clip weighs by its source."""

    curated_weight: Weight = Field(0.5, description="weight of a curated clip")
    trusted_weight: Weight = Field(0.5, description="weight of a trusted noisy clip")
    noisy_weight: Weight = Field(0.5, description="weight of a noisy clip")
    noisy_beta: Share = Field(0.7, description="L_soft: share of the given label, the rest is the prediction")
    aux3_weight: Weight = Field(0.4, description="weight of the deepest side head; the main head has 1")
    aux2_weight: Weight = Field(0.2, description="weight of the middle side head")
    aux1_weight: Weight = Field(0.1, description="weight of the shallowest side head")


class Optimizer(Section):
    """Adam (Kingma and Ba 2015)."""

    lr: Positive = Field(9e-4, description="learning rate")
    beta1: float = Field(0.9, ge=0, lt=1, description="decay of the mean gradient")
    beta2: float = Field(0.999, ge=0, lt=1, description="decay of the mean squared gradient")
    eps: Positive = Field(1e-8, description="added to the denominator")
    weight_decay: Weight = Field(0.0, description="L2 penalty")


class Plateau(Section):
    """The learning rate is cut when val_lwlrap no longer rises."""

    kind: Literal["plateau"] = "plateau"
    factor: float = Field(0.6, gt=0, lt=1, description="the learning rate is multiplied by this")
    patience: int = Field(6, ge=0, description="epochs without a rise that are borne")
    threshold: Weight = Field(1e-4, description="smallest relative rise that counts")
    min_lr: Weight = Field(1e-8, description="no lower than this")


class Constant(Section):
    """The learning rate stays."""

    kind: Literal["constant"] = "constant"


class Cosine(Section):
    """The learning rate falls along a cosine, again and again (Loshchilov and Hutter 2017), a step an epoch."""

    kind: Literal["cosine"] = "cosine"
    first: int = Field(10, ge=1, description="epochs until the first restart")
    growth: int = Field(2, ge=1, description="each period is so many times as long as the one before")
    min_lr: Weight = Field(1e-5, description="at the end of a period")


class OneCycle(Section):
    """The learning rate rises to optimizer.lr and falls to almost nothing (Smith and Topin 2018), a step a batch."""

    kind: Literal["one_cycle"] = "one_cycle"
    rise: float = Field(0.3, gt=0, lt=1, description="share of all steps in which it rises")
    start_factor: float = Field(25, ge=1, description="it begins at optimizer.lr over this")
    end_factor: float = Field(1e4, ge=1, description="it ends at where it began over this")


class EarlyStopping(Section):
    """A fold ends when val_lwlrap has not risen for long."""

    patience: OptionalCount = Field(18, description="epochs without a rise that end the fold; null: never")


class Training(Section):
    """The epoch loop."""

    epochs: int = Field(700, ge=1, description="at most this many")
    folds: tuple[Annotated[int, Field(ge=0)], ...] = Field((), description="folds to run, as [0, 2]; []: all")
    precision: Literal["float32", "bf16", "fp16"] = Field("bf16", description="of autocast")
    compile: bool = Field(False, description="torch.compile the network; on a CPU with float32 alone")
    ema_decay: float = Field(0.0, ge=0, lt=1, description="decay a step of averaged weights; 0: none")


class Predict(Section):
    """What a fold's network predicts, and with which weights."""

    weights: Literal["best", "last", "ema"] = Field(
        "best", description="of the epoch with the best val_lwlrap, of the last epoch, or its average"
    )
    tile_step: int = Field(64, ge=1, description="frames from one tile to the next")
    batch_size: int = Field(256, ge=1, description="tiles in a batch")
    noisy: bool = Field(False, description="also predict the noisy clips, one file a fold")


class Experiment(Section):
    """One experiment: everything that decides its numbers, and where it runs."""

    name: str = Field("", description="name of the run; empty: the file's name")
    notes: str = Field("", description="why this experiment; shown on the run's page")
    seed: Seed = Field(0, description="seed of training: initial weights, draws, dropout")
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = Field(
        "auto", description="auto, cpu, cuda or cuda:N"
    )
    threads: int = Field(0, ge=0, description="CPU threads; 0: all cores")
    data: Annotated[FolderData | DemoData, Field(discriminator="kind")] = FolderData()
    demo: Demo = Demo()
    labels: Labels = Labels()
    folds: Annotated[RandomFolds | StratifiedFolds | ColumnFolds, Field(discriminator="kind")] = RandomFolds()
    features: Features = Features()
    sampling: Sampling = Sampling()
    augment: Augment = Augment()
    mixer: Mixer = Mixer()
    model: Model = AuxSkipAttentionModel()
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    scheduler: Annotated[Plateau | Constant | Cosine | OneCycle, Field(discriminator="kind")] = Plateau()
    early_stopping: EarlyStopping = EarlyStopping()
    training: Training = Training()
    predict: Predict = Predict()

    @model_validator(mode="after")
    def _large_enough(self) -> Experiment:
        for field, size in (("sampling.frames", self.sampling.frames), ("features.n_mels", self.features.n_mels)):
            if size < self.model.stride:
                raise ValueError(f"{field} is {size}; model.kind {self.model.kind} needs {self.model.stride} or more")
        return self

    @model_validator(mode="after")
    def _averaged(self) -> Experiment:
        if self.predict.weights == "ema" and self.training.ema_decay == 0:
            raise ValueError("predict.weights is ema, but training.ema_decay is 0; give a decay, as 0.999")
        if self.predict.tile_step > self.sampling.frames:
            raise ValueError(
                f"predict.tile_step {self.predict.tile_step} exceeds sampling.frames {self.sampling.frames}: "
                "tiles would leave sound out"
            )
        return self


# Fields that say where and under what name an experiment runs, not what it computes.
WHERE = frozenset({"name", "notes", "device", "threads", "data.folder", "data.name", "data.kind", "training.folds"})
WHERE_SECTIONS = ("demo.", "labels.")
