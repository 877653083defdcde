"""`ParameterView`: one parameter of a report, the tutorial's way: its facts, and its values and gradient on demand."""

from dataclasses import dataclass, field, fields
from typing import Any

from .. import display
from .records import ParameterRecord
from .report.columns import COLUMNS, STATISTICS


@dataclass(frozen=True, repr=False)
class ParameterView:
    """One parameter of a `Report`: every attribute of its `ParameterRecord`, and its values.

    Attributes
    ----------
    record : ParameterRecord
        The facts, as plain data.
    live : object or None
        What values are read through; not compared, and not pickled.
    """

    record: ParameterRecord
    live: Any = field(default=None, compare=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "record":  # before unpickling has set the fields
            raise AttributeError(name)
        if name in STATISTICS:
            has = "" if self.record.stats else ", which ik.inspect(net, stats=True) computes"
            raise AttributeError(f"{name} is a statistic: write report[{self.record.path!r}].stats.{name}{has}")
        return getattr(self.record, name)

    def data(self) -> Any:
        """The values, read now; a RuntimeError where the report is not of a live network or file any more.

        Examples
        --------
        >>> net = mx.gluon.nn.Dense(2, in_units=3)
        >>> net.initialize(mx.init.One())
        >>> ik.inspect(net)["weight"].data()
        array([[1., 1., 1.],
               [1., 1., 1.]], dtype=float32)
        >>> ParameterView(ParameterRecord("0.bias", "dense0_bias", "bias", (2,), "float32")).data()
        Traceback (most recent call last):
          ...
        RuntimeError: 0.bias: this report was read back and holds facts only; ik.inspect(net)['0.bias'].data() reads on.
        """
        return self._source("data").values(self.record.path)

    def grad(self) -> Any:
        """The gradient, read now; a RuntimeError where the report is not of a live network any more."""
        return self._source("grad").gradient(self.record.path)

    def _source(self, asked: str) -> Any:
        if self.live is None:
            raise RuntimeError(
                f"{display.printable(self.record.path)}: this report was read back and holds facts only; "
                f"ik.inspect(net)[{self.record.path!r}].{asked}() reads on."
            )
        return self.live

    def __getstate__(self) -> Any:
        return {"record": self.record, "live": None}

    def __dir__(self) -> Any:
        return sorted({*super().__dir__(), *(each.name for each in fields(self.record))})

    def __repr__(self) -> str:
        kind = "Constant" if self.record.constant else "Parameter"
        shape = display.shape_text(self.record.shape)
        return display.printable(f"{kind} {self.record.path} (shape={shape}, dtype={self.record.dtype})")

    def _repr_html_(self) -> str:
        facts = [(column, column.read(self.record)) for column in COLUMNS.values()]
        rows = [display.Branch(column.title, cells=(column.as_html(value, self.record.path),))
                for column, value in facts if value not in (None, (), "")]  # fmt: skip
        heads = display.Column("", str), display.Column("", str)
        return display.as_tree(display.Table(repr(self), heads, rows))
