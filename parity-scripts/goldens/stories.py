"""What `fuzz.py` draws: a layer, and what happens to it."""

from cases import TABLE_LAYOUTS, possible, tensor
from steps import do
from training import KEPT
from values import ugly, value

FLOATS = ("float32", "float64", "float16", "bfloat16")
FULL = ("float32", "float64")
SHAPES = ((), (0,), (1,), (3,), (7,), (2, 0), (2, 3), (1, 4), (2, 2, 2), (24,))
INDEX_DTYPES = ("int64", "int64", "int32")
WRONG_DTYPES = ("float32", "float64", "int16", "int8", "uint8", "bool", "float16", "bfloat16")
NUMBERS = (1.0, 0.1, 0.7, 1 / 3, 2.2, 1e-3, 0.0, float("inf"))
NORMS = (2.0, 2.0, 1.0, 3.0, 0.5, float("inf"))


class Story:
    """One layer, the events that happen to it, and its state after each event."""

    NEW, PRETRAINED = "embedding", "from_pretrained"  # the steps that make the layer

    def __init__(self, rng):
        self.rng = rng
        self.dtype = rng.choice(FLOATS if rng.random() < 0.3 else FULL)
        self.rows, self.columns = rng.randint(1, 9), rng.choice((0, 1, 2, 3, 5, 8, 17, 33))
        self.sparse = rng.random() < 0.4
        self.max_norm = rng.choice(NUMBERS) if rng.random() < 0.3 and self.dtype in FULL and self.columns else None
        self.learns = True
        self.writable = True
        self.newer_bits = False  # 1.13.1 gives other last bits
        self.newer_only = False  # 1.13.1 would read or write memory that does not belong to the tensors
        self.steps = []

    def options(self):
        chosen = {}
        if self.rng.random() < 0.4:
            chosen["padding_idx"] = self.rng.randint(-self.rows, self.rows - 1)
        if self.max_norm is not None:
            chosen["max_norm"] = self.max_norm
            if self.rng.random() < 0.6:
                chosen["norm_type"] = self.rng.choice(NORMS)
            self.newer_bits |= self.columns > 3 or self.dtype == "float64" or chosen.get("norm_type") in (0.5, 3.0)
        if self.sparse:
            chosen["sparse"] = True
        elif self.rng.random() < 0.3:
            chosen["scale_grad_by_freq"] = True
        return chosen

    def indices(self, shape):
        count = 1
        for size in shape:
            count *= size
        numbers = [self.rng.randrange(self.rows) for _ in range(count)]
        layout = possible(self.rng.choice((None, None, "strided", "transposed", "narrowed")), shape)
        return tensor("i", value(self.rng.choice(INDEX_DTYPES), numbers, shape), layout)

    def tell(self):
        if self.rng.random() < 0.3 and self.dtype in FULL:
            self.newer_bits = self.dtype == "float64" and self.rows * self.columns < 16
            self.steps += [do.seed(self.rng.randrange(99)),
                           getattr(do, self.NEW)("m", self.rows, self.columns, **self.options(), dtype=self.dtype), do.show("m.weight")]
        else:
            self.learns = self.rng.random() < 0.8
            layout = self.rng.choice((None, None, *TABLE_LAYOUTS))
            layout = None if layout == "expanded" and self.learns else layout  # rows that share memory cannot learn apart
            self.writable = layout != "expanded"
            self.steps += [tensor("w", ugly(self.rng, (self.rows, self.columns), self.dtype), layout),
                           getattr(do, self.PRETRAINED)("m", "w", freeze=not self.learns, **self.options())]
        self.kind = self.rng.choice((None, "sgd", "own_sgd", "sparse_adam", "adagrad")) if self.learns and self.dtype in FULL else None
        if self.kind == "sparse_adam" and not self.sparse:
            self.kind = "adagrad"
        if self.kind:
            self.steps.append(getattr(do, self.kind)("o", ["m.weight"], lr=self.rng.choice((0.1, 0.01, 0.3, 2.0)),
                                                     **(self.sgd_options() if self.kind == "own_sgd" else {})))
        events = [self.look_up, self.look_up, self.functional, self.train, self.eval, self.print, self.wrong_indices, self.wrong_table]
        if self.writable:
            events += [self.write, self.load, self.freeze]
        if self.learns:
            events += [self.learn, self.learn, self.learn, self.learn]
        if not self.kind and self.dtype in FULL and self.max_norm is None:
            events.append(self.convert)
        for _ in range(self.rng.randint(2, 6)):
            self.rng.choice(events)()
        return self.steps

    def sgd_options(self):
        momentum = self.rng.choice((0.0, 0.9, 0.5))
        nesterov = momentum > 0 and self.rng.random() < 0.4
        return {"momentum": momentum, "nesterov": nesterov, "maximize": self.rng.random() < 0.3,
                "dampening": 0.0 if nesterov else self.rng.choice((0.0, 0.25)),
                "weight_decay": 0.0 if self.sparse else self.rng.choice((0.0, 0.1))}

    def look_up(self):
        self.steps += [self.indices(self.rng.choice(SHAPES)), do.forward("m", "i", "y"), do.show("m.weight")]

    def functional(self):
        self.steps += [tensor("t", ugly(self.rng, (self.rows, self.columns), self.dtype)), self.indices(self.rng.choice(SHAPES)),
                       do.functional("z", "i", "t", **self.options()), do.show("t")]

    def learn(self):
        # Versions do not agree on the sum of 16-bit gradients of repeated backward passes: see G17.
        if self.kind or self.dtype not in FULL or self.rng.random() < 0.5:
            self.steps.append(do.zero_grad("m"))
        shape = self.rng.choice(SHAPES[1:])
        self.steps += [self.indices(shape), do.forward("m", "i", "y", gives=False),
                       do.tensor("g", ugly(self.rng, (*shape, self.columns), self.dtype)),
                       do.backward("y", "g", raises=not self.learns), do.show("m.weight.grad")]
        if self.kind and self.learns:
            self.steps += [do.step("o"), do.show("m.weight"),
                           *(do.show(f"o.state.m.weight.{name}") for name in KEPT[self.kind] if self.kind != "sgd")]

    def write(self):
        row = self.rng.randrange(self.rows)
        self.steps += [do.tensor("v", ugly(self.rng, (self.columns,), self.dtype)), do.write("m.weight", row, "v"), do.show("m.weight")]

    def load(self):
        self.steps += [do.tensor("v", ugly(self.rng, (self.rows, self.columns), self.rng.choice(FULL))),
                       do.load_state_dict("m", {"weight": "v"}), do.show("m.weight")]

    def wrong_table(self):
        self.steps += [do.tensor("v", ugly(self.rng, (self.rows + self.rng.choice((1, 2)), self.columns))),
                       do.load_state_dict("m", {"weight": "v"}, strict=self.rng.random() < 0.5, raises=True)]

    def wrong_indices(self):
        if self.rng.random() < 0.4:
            self.steps += [do.tensor("b", value(self.rng.choice(WRONG_DTYPES), [0, 1])), do.forward("m", "b", raises=True),
                           do.show("m.weight")]
            return
        # One index, which with max_norm must not count from the end of the table: PyTorch rescales rows before it finds a bad index.
        negative = -1 if self.max_norm is None else -self.rows - 2
        bad = self.rng.choice((negative, -self.rows - 1, self.rows, self.rows + 5, 2**40))
        self.steps.append(do.tensor("b", value("int64", [bad])))
        self.steps.append(do.forward("m", "b", raises=True, text="index out of range in self", because="one text for all"))

    def convert(self):
        self.dtype = self.rng.choice(FULL)
        self.steps += [do.to("m", self.dtype), do.show("m.weight"), do.show("m.weight.grad")]

    def freeze(self):
        if not self.kind:
            self.learns = not self.learns
            self.steps += [do.zero_grad("m"), do.requires_grad_("m.weight", self.learns), do.show("m.weight")]

    def train(self):
        self.steps += [do.train("m"), do.show("m.training")]

    def eval(self):
        self.steps += [do.eval("m"), do.show("m.training"), do.repr("m")]

    def print(self):
        self.steps.append(do.print("m.weight"))
