"""The factor classes by the names that files give them."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from mmgraph.graph import conditionals, factors, leaves
from mmgraph.graph.factor import Factor


@cache
def factor_kinds() -> dict[str, type[Factor]]:
    """Return the classes of this package that have a :attr:`Factor.kind`, by it."""
    modules = [
        importlib.import_module(module.name)
        for package in (factors, leaves, conditionals)
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ]
    return {
        str(member.kind): member
        for module in modules
        for member in vars(module).values()
        if isinstance(member, type) and issubclass(member, Factor) and vars(member).get("kind")
    }
