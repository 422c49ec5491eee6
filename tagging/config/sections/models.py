"""The networks."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from tagging.config.sections.fields import ClassOfFile, Count, Name, Section


class Network(Section):
    """What all networks have."""

    stride: ClassVar[int] = 1  # bands and frames that become one place of the last map
    kind: str
    frequency_channel: bool = Field(False, description="one more input channel: each band's place, 0 to 1")


class ConvNetwork(Network):
    """What the networks made here have: a width and dropout."""

    stride: ClassVar[int] = 16
    base_size: int = Field(64, ge=2, le=512, description="channels of the first block; all widths follow")
    dropout: float = Field(0.4, ge=0, lt=1, description="before a head's first layer, half before its last")


class AttentionNetwork(ConvNetwork):
    """What the networks with a CBAM attention have."""

    attended: ClassVar[int] = 8  # channels under attention, in base sizes
    cbam_ratio: Count = Field(16, description="channels over hidden units of the channel attention")
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
    last_filters: int = Field(8, ge=1, le=64, description="channels after the merge, in base sizes")


class SkipAttentionModel(SkipNetwork):
    """Convolutions, skips to a CBAM attention, one head."""

    kind: Literal["skip_attention"] = "skip_attention"
    dropout: float = Field(0.2, ge=0, lt=1, description="before the head's first layer, half before its last")
    last_fc: int = Field(2, ge=1, le=64, description="hidden units of the head, in base sizes")


class AuxSkipAttentionModel(SkipNetwork):
    """Convolutions, skips to a CBAM attention, and auxiliary heads on the skips."""

    kind: Literal["aux_skip_attention"] = "aux_skip_attention"
    last_fc: int = Field(4, ge=1, le=64, description="hidden units of a head, in base sizes")


class RnnAuxSkipAttentionModel(SkipNetwork):
    """The same with a bidirectional LSTM along time in place of the main head's mean."""

    kind: Literal["rnn_aux_skip_attention"] = "rnn_aux_skip_attention"
    last_fc: int = Field(4, ge=1, le=64, description="hidden units of a head, in base sizes")


class SimpleAttentionModel(AttentionNetwork):
    """Convolutions, a CBAM attention, one head; no skips."""

    kind: Literal["simple_attention"] = "simple_attention"
    dropout: float = Field(0.2, ge=0, lt=1, description="before the head's first layer, half before its last")
    last_fc: int = Field(2, ge=1, le=64, description="hidden units of the head, in base sizes")


class SimpleKaggleModel(ConvNetwork):
    """Convolutions with biases, mean over time and maximum over bands, one head."""

    kind: Literal["simple_kaggle"] = "simple_kaggle"
    dropout: float = Field(0.2, ge=0, lt=1, description="before the head's first layer, half before its last")
    last_fc: int = Field(2, ge=1, le=64, description="hidden units of the head, in base sizes")


class FeatureExtractorModel(ConvNetwork):
    """A small network: seven convolutions, six times max-pooled, one linear layer."""

    stride: ClassVar[int] = 64
    kind: Literal["feature_extractor"] = "feature_extractor"
    base_size: int = Field(32, ge=2, le=512, description="channels of the first convolution; all widths follow")
    dropout: float = Field(0.25, ge=0, lt=1, description="of whole channels, after every second pooling")


class TimmModel(Network):
    """Any network of timm behind dropout and one linear layer; random weights unless asked otherwise."""

    kind: Literal["timm"] = "timm"
    name: Name = Field("resnet18", description="as timm.list_models() has it, with or without a tag of its weights")
    dropout: float = Field(0.2, ge=0, lt=1, description="before the linear layer")
    stem_pool: bool = Field(True, description="false: the max-pool in a ResNet's stem is taken out")
    weights: str = Field("", description="file of initial weights, relative to the project's root; its content counts")
    download: bool = Field(False, description="true: initial weights that timm downloads")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.weights and self.download:
            raise ValueError(f"weights is {self.weights!r} and download is true; initial weights come from one of them")
        return self


class PythonModel(Network, ClassOfFile):
    """A network of the user's own: a torch.nn.Module in a Python file."""

    kind: Literal["python"] = "python"
    heads: int = Field(
        1, ge=1, le=4, description="outputs: the main head, then side heads as in loss, aux3_weight first"
    )


Model = Annotated[
    SkipAttentionModel
    | AuxSkipAttentionModel
    | RnnAuxSkipAttentionModel
    | SimpleAttentionModel
    | SimpleKaggleModel
    | FeatureExtractorModel
    | TimmModel
    | PythonModel,
    Field(discriminator="kind"),
]
