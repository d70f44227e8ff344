"""What `fuzz.py` draws of EmbeddingBag: the same events as of an Embedding, with bags."""

from bags import MODES, coarse
from cases import possible, tensor
from steps import do
from stories import FULL, INDEX_DTYPES, Story
from training import KEPT
from values import indices, ugly, value

SHAPES = ((0, 3), (1, 4), (2, 3), (3, 1), (4, 2), (2, 9))
COUNTS = (0, 1, 3, 7, 24)
BAD_INDEX = "Expected idx >= 0 && idx < num_embeddings but found idx to be"


class BagStory(Story):
    NEW, PRETRAINED = "embedding_bag", "bag_from_pretrained"

    def __init__(self, rng):
        super().__init__(rng)
        self.mode = rng.choice(MODES)
        self.include_last_offset = rng.random() < 0.3
        self.sparse = self.sparse and self.mode != "max"
        self.own = None  # the options of the module

    def options(self):
        chosen = super().options()
        if self.mode == "max":
            chosen.pop("scale_grad_by_freq", None)
        if self.include_last_offset:
            chosen["include_last_offset"] = True
        if self.mode != "mean" or self.rng.random() < 0.5:
            chosen["mode"] = self.mode
        self.own = self.own or chosen
        return chosen

    def numbers(self, shape, requires_grad=False):
        return (coarse if self.dtype == "bfloat16" else ugly)(self.rng, shape, self.dtype, requires_grad)

    def is_plain(self, options):
        """Whether libtorch's plain kernel computes the bags. Its fast ones differ: in bfloat16 ties, and after a short last offset."""
        return self.dtype == "float64" or "padding_idx" in options or self.mode == "max"

    def is_portable(self, options):
        """Whether every build gives the same bits."""
        return self.dtype != "bfloat16" or self.is_plain(options)

    def bags(self, options):
        """The tensors of a look-up, its arguments, the shape of the indices and the number of bags."""
        if self.rng.random() < 0.35:
            shape = self.rng.choice(SHAPES)
            self.newer_only |= self.include_last_offset
            return [self.indices(shape)], {}, shape, shape[0]
        count = self.rng.choice(COUNTS)
        offsets = sorted(self.rng.randint(0, count) for _ in range(self.rng.randint(0, 4)))
        offsets = [0, *offsets]
        bags = len(offsets)
        if self.include_last_offset:
            short = offsets[-1] < count and self.is_plain(options) and self.rng.random() < 0.3
            offsets.append(self.rng.randint(offsets[-1], count - 1) if short else count)
            self.newer_only |= short
        layout = self.rng.choice((None, None, "strided", "narrowed"))
        return ([self.indices((count,)), tensor("f", indices(offsets, self.rng.choice(INDEX_DTYPES)), layout)], {"offsets": "f"},
                (count,), bags)

    def weights(self, shape, arguments, may_learn):
        """Weights for a sum, now and then. BLAS libraries add wide products in orders of their own, so only narrow rows' weights learn."""
        if self.mode != "sum" or self.rng.random() < 0.5:
            return [], False
        learn = may_learn and self.columns <= 2 and self.rng.random() < 0.6
        self.newer_bits |= self.dtype == "float32" or learn
        arguments["per_sample_weights"] = "p"
        layout = possible(self.rng.choice((None, None, "strided", "narrowed")), shape)
        return [tensor("p", self.numbers(shape, requires_grad=learn), layout)], learn

    def look_up(self):
        tensors, arguments, shape, _ = self.bags(self.own)
        weights, _ = self.weights(shape, arguments, may_learn=False)
        self.steps += [*tensors, *weights, do.forward("m", "i", "y", gives=self.is_portable(self.own), **arguments), do.show("m.weight")]

    def functional(self):
        options = self.options()
        tensors, arguments, shape, _ = self.bags(options)
        weights, _ = self.weights(shape, arguments, may_learn=False)
        self.steps += [do.tensor("t", self.numbers((self.rows, self.columns))), *tensors, *weights,
                       do.functional_embedding_bag("z", "i", "t", gives=self.is_portable(options), **arguments, **options),
                       do.show("t")]

    def learn(self):
        if self.kind or self.dtype not in FULL or self.rng.random() < 0.5:
            self.steps.append(do.zero_grad("m"))
        tensors, arguments, shape, bags = self.bags(self.own)
        weights, weights_learn = self.weights(shape, arguments, may_learn=True)
        self.newer_bits |= "scale_grad_by_freq" in self.own
        self.steps += [*tensors, *weights, do.forward("m", "i", "y", gives=False, **arguments),
                       do.tensor("g", ugly(self.rng, (bags, self.columns), self.dtype)),
                       do.backward("y", "g", raises=not (self.learns or weights_learn)), do.show("m.weight.grad"),
                       *([do.show("p.grad")] if weights_learn else [])]
        if self.kind and self.learns:
            self.steps += [do.step("o"), do.show("m.weight"),
                           *(do.show(f"o.state.m.weight.{name}") for name in KEPT[self.kind] if self.kind != "sgd")]

    def wrong_indices(self):
        kind = self.rng.choice(("dtype", "index", "index", "offsets"))
        if kind == "dtype":
            self.steps += [do.tensor("b", value(self.rng.choice(("float32", "float64", "float16", "int16", "uint8")), [[0, 1]])),
                           do.forward("m", "b", raises=True), do.show("m.weight")]
        elif kind == "offsets" and self.max_norm is None and not self.include_last_offset:
            self.steps += [do.tensor("b", indices([0, 0])), do.tensor("f", indices(self.rng.choice(([1], [0, 3], [-1, 1])))),
                           do.forward("m", "b", offsets="f", raises=True), do.show("m.weight")]
        else:
            # See the same event of an Embedding: with max_norm PyTorch rescales rows before it finds a bad index.
            negative = -1 if self.max_norm is None else -self.rows - 2
            bad = self.rng.choice((negative, -self.rows - 1, self.rows, self.rows + 5, 2**40))
            self.newer_only |= self.include_last_offset
            self.steps += [do.tensor("b", indices([[bad]])), do.forward(
                "m", "b", raises=True, text=f"{BAD_INDEX} {bad}", because="one text for all")]

    def eval(self):
        self.newer_bits = True  # 1.13.1 writes the mode without quotes
        super().eval()
