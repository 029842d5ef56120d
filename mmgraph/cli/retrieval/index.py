"""The command that makes a search of pictures with captions: index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmgraph.cli.common import JsonOption, print_written, progress_bar
from mmgraph.cli.interruption import keeps, unwritten
from mmgraph.cli.outputs import check_model_place


def index(
    declaration: Annotated[
        Path, typer.Argument(help="A .toml file, such as `mmgraph new retrieval` writes.")
    ],
    output: Annotated[Path, typer.Option(help="A directory NAME.mmgraph.")],
    as_json: JsonOption = False,
) -> None:
    """Learn from pictures with captions how both belong together, and index them.

    `mmgraph search` finds them by words, or by other pictures.

    Example: mmgraph index my.toml --output shop.mmgraph
    """
    from mmgraph.experiments.retrieval.declaration import read_retrieval
    from mmgraph.graph.storage.whole_files import checked_suffix
    from mmgraph.retrieval.retriever import Retriever

    checked_suffix(output, (".mmgraph",))
    check_model_place(output)
    declared = read_retrieval(declaration)
    finder = Retriever(
        declared.representation,
        image=declared.image,
        text=declared.text,
        random_state=declared.seed,
    )
    with keeps(None, unwritten(output)), progress_bar("reading pictures", None) as (bar, task):
        data = declared.data()

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        features = finder.picture_features(data.pictures, progress)
        bar.update(task, description="learning", total=None)
        finder.fit(features, data.texts, groups=data.groups)
        finder.index(features, data.ids, texts=data.texts, files=data.files, search=declared.search)
        finder.save(output)
    count = sum(picture is not None for picture in data.pictures)
    record = {"declaration": str(declaration), "output": str(output), "pictures": count}
    print_written(as_json, record, f"wrote {output}: {count} pictures to be searched")
