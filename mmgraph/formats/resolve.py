"""From a name or a path to a network, and back: which reader and which writer."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgraph.formats.bif.bif import read_bif, write_bif
from mmgraph.formats.bundled import BUNDLED
from mmgraph.formats.gaussian_json import read_gaussian_json, write_gaussian_json
from mmgraph.formats.hugin.dsc import read_dsc
from mmgraph.formats.hugin.net import read_net
from mmgraph.formats.hugin.net_writer import write_net
from mmgraph.formats.native.directory import is_native
from mmgraph.formats.native.native import PREDICTORS, read_native, write_native
from mmgraph.formats.text import nearest
from mmgraph.formats.uai import read_uai, write_uai
from mmgraph.formats.xml.xdsl import read_xdsl
from mmgraph.formats.xml.xdsl_writer import write_xdsl
from mmgraph.formats.xml.xmlbif import read_xmlbif, write_xmlbif
from mmgraph.graph.errors import FormatError, MissingExtraError, warn_caller
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.storage.whole_files import checked_path, unknown_suffix
from mmgraph.networks.bayesian_network import BayesianNetwork

if TYPE_CHECKING:
    from mmgraph.networks.random_fields.conditional_random_field import ConditionalRandomField

MODELS_VARIABLE = "MMGRAPH_MODELS"
"""The environment variable that names another folder of ready models."""

NATIVE_SUFFIX = ".mmgraph"

READERS: Mapping[str, Callable[[Path], FactorGraph]] = {
    ".bif": read_bif,
    ".uai": read_uai,
    ".net": read_net,
    ".dsc": read_dsc,
    ".xmlbif": read_xmlbif,
    ".xml": read_xmlbif,
    ".bifxml": read_xmlbif,
    ".xdsl": read_xdsl,
    ".json": read_gaussian_json,
}
"""The reader for each suffix, behind which ``.gz`` may stand."""

WRITERS: Mapping[str, Callable[[BayesianNetwork, Path], None]] = {
    ".bif": write_bif,
    ".net": write_net,
    ".xmlbif": write_xmlbif,
    ".xml": write_xmlbif,
    ".bifxml": write_xmlbif,
    ".xdsl": write_xdsl,
    ".json": write_gaussian_json,
}
"""The writer for each suffix of a format that holds Bayesian networks alone."""

_MODEL_FILES = (".bif", ".bif.gz", ".json")
_MODEL_SUFFIXES = (*_MODEL_FILES, "", NATIVE_SUFFIX)


def models_directory() -> Path:
    """Return the folder of ready models; it need not exist.

    That is the one that the environment variable ``MMGRAPH_MODELS`` names, else the one that is
    installed with the package, else the one beside it in the repository.
    """
    if named := os.environ.get(MODELS_VARIABLE):
        return Path(named)
    package = Path(__file__).resolve().parents[1]
    installed = package / "_models"
    return installed if installed.is_dir() else package.parent / "models"


def read(name_or_path: str | os.PathLike[str]) -> Any:
    """Read a model from a file, or one that is known by name.

    Parameters
    ----------
    name_or_path : str or path
        A file, whose suffix says how it is read: ``.bif``, ``.uai``, ``.net``, ``.dsc``,
        ``.xmlbif``, ``.xml``, ``.bifxml``, ``.xdsl`` or ``.json`` (Gaussian networks), each
        perhaps followed by ``.gz``; or a directory that :func:`write` has written; or the name of a
        network in :func:`models_directory` or of one that comes with pgmpy, such as ``"alarm"`` or
        ``"ecoli70"``.

    Returns
    -------
    BayesianNetwork, MarkovRandomField, FactorGraph, Boltzmann machine, ConditionalRandomField or
    a predictor

    Raises
    ------
    FormatError
        If it is no text or path, there is no such file or network (with the nearest name), the
        suffix is not known, or the file is not what its format promises.
    MissingExtraError
        If the network comes with pgmpy, or a classifier needs skops, and that is not installed.
    """
    path = checked_path(name_or_path)
    name = os.fsdecode(name_or_path)
    try:
        is_directory = path.is_dir()
        if is_native(path) or (path.exists() and not is_directory):
            place: Path | None = path
        else:
            place = _known(path, name)
    except (OSError, ValueError) as error:  # a null character, a name longer than a system takes
        raise FormatError(f"{name[:200]!r} is no path ({error})") from None
    if place is not None:
        return read_native(place) if place.is_dir() else _read_file(place)
    if is_directory:
        raise FormatError(f"{path} is a directory without a network.json")
    if name in BUNDLED:
        raise MissingExtraError("interop", "pgmpy", f"the network '{name}'")
    if (models_directory() / f"{name}.toml").is_file():
        raise FormatError(f"'{name}' is a ready model to be fitted: mmgraph run {name}")
    names = dict.fromkeys((*known_names(), *BUNDLED))
    raise FormatError(f"there is no file and no network called '{name}'{nearest(name, names)}")


def _read_file(path: Path) -> FactorGraph:
    suffix = _suffix(path)
    if suffix in READERS:
        return READERS[suffix](path)
    raise unknown_suffix(path, suffix, READERS)


class PosteriorWarning(UserWarning):
    """A posterior of parameters that a file does not hold."""


def write(net: FactorGraph | ConditionalRandomField | Any, path: str | os.PathLike[str]) -> None:
    """Write a model in the format that the suffix asks for.

    Parameters
    ----------
    net : FactorGraph or subclass, ConditionalRandomField, or fitted predictor
        ``.bif``, ``.net``, ``.xmlbif`` and ``.xdsl`` hold Bayesian networks of tables, ``.json``
        those of scalar linear Gaussian distributions, ``.uai`` tables without names, a directory
        ``NAME.mmgraph`` every kind of model. Of a Boltzmann machine the options of its training are
        not kept.
    path : str or path
        A name that ends in ``.bif``, ``.net``, ``.xmlbif``, ``.xml``, ``.bifxml``, ``.xdsl``,
        ``.json``, ``.uai`` (each perhaps followed by ``.gz``) or ``.mmgraph``. Nothing half written
        is left there.

    Warns
    -----
    PosteriorWarning
        If a posterior of parameters is not written.

    Raises
    ------
    FormatError
        If the suffix is not known, the format cannot hold the network, the place cannot be
        written, or an argument is no network or no path.
    """
    path = checked_path(path)
    suffix = _suffix(path)
    in_native = suffix == NATIVE_SUFFIX or (suffix == "" and is_native(path))
    if not isinstance(net, FactorGraph):
        _write_other(net, path, in_native)
    elif in_native:
        write_native(net, path)
    elif suffix == ".uai":
        write_uai(net, path)
    elif suffix in WRITERS:
        if not isinstance(net, BayesianNetwork):
            raise FormatError(
                f"{path}: {suffix} holds Bayesian networks; write .uai or .mmgraph instead"
            )
        WRITERS[suffix](net, path)
    else:
        raise unknown_suffix(path, suffix, (*WRITERS, ".uai", NATIVE_SUFFIX))
    if isinstance(net, BayesianNetwork) and net.parameter_posterior is not None:
        warn_caller(
            f"{path}: no format holds the posterior of the parameters: the distributions are "
            "written as they were fitted; fit(…, posterior=True) makes it anew",
            PosteriorWarning,
        )


def _write_other(net: object, path: Path, in_native: bool) -> None:
    """Write a model that is no graph; its module loads learning, which others need not."""
    if (kind := getattr(type(net), "file_kind", None)) in PREDICTORS:
        if not in_native:
            raise FormatError(f"{path}: a {kind} is written to {NATIVE_SUFFIX}")
        importlib.import_module(PREDICTORS[kind]).write_model(net, path)
        return
    from mmgraph.formats.native.random_fields import write_field
    from mmgraph.networks.random_fields.conditional_random_field import ConditionalRandomField

    if not isinstance(net, ConditionalRandomField):
        raise FormatError(f"{path}: expected a network to write, found {repr(net)[:60]}")
    if not in_native:
        raise FormatError(f"{path}: a conditional random field is written to {NATIVE_SUFFIX}")
    write_field(net, path)


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix if name.endswith(".gz") else Path(name).suffix


def known_names() -> list[str]:
    """Return the names of all networks that :func:`read` finds by name."""
    return sorted({name for folder in model_folders() for name in _names_in(folder)})


def _names_in(folder: Path) -> Iterator[str]:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            if is_native(path):
                yield path.name.removesuffix(NATIVE_SUFFIX)
        elif path.name.endswith(_MODEL_FILES):
            yield path.name.removesuffix(".gz").removesuffix(".bif").removesuffix(".json")


def model_folders() -> Iterator[Path]:
    """Yield the folders of the files that are known by name: mmgraph's models, then pgmpy's."""
    yield models_directory()
    # Importing pgmpy would take seconds; its files lie where its specification says.
    try:
        specification = find_spec("pgmpy")
    except ValueError:
        specification = None
    for location in (specification and specification.submodule_search_locations) or ():
        yield Path(location) / "utils" / "example_models"


def _known(path: Path, name: str) -> Path | None:
    """Return the place of a network that is known by a bare name."""
    if path.name != name:
        return None
    for folder in model_folders():
        for suffix in _MODEL_SUFFIXES:
            candidate = folder / f"{name}{suffix}"
            if is_native(candidate) or (suffix in _MODEL_FILES and candidate.is_file()):
                return candidate
    return None
