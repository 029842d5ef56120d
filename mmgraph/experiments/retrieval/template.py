"""The text of a retriever's declaration to start from, every entry with its default."""

from __future__ import annotations

import json

from mmgraph.experiments.retrieval.declaration import RetrievalDeclaration


def declaration_text(folder: str) -> str:
    """Return the TOML of a retriever of a folder of pictures with captions, with comments."""
    from mmgraph.retrieval.collection import SEARCHES
    from mmgraph.retrieval.images.named import IMAGE_FEATURES
    from mmgraph.retrieval.spaces.named import SPACES
    from mmgraph.retrieval.texts.named import TEXT_FEATURES

    default = RetrievalDeclaration
    return f"""\
# What `mmgraph index` makes a search of, which `mmgraph search` asks. What stands here is the
# default, but for [data]: leave out what you do not change.
kind = "retrieval"

[data]
# From the directory of this file; its captions.csv has the columns file, caption (or one for each
# language), perhaps id and group.
folder = {json.dumps(folder, ensure_ascii=False)}

[retrieval]
# How pictures and texts come to lie in one space: {", ".join(SPACES)}.
representation = "{default.representation}"
# What pictures are described by, one or several: {", ".join(IMAGE_FEATURES)}.
image = {json.dumps(default.image)}
# What texts are described by: {", ".join(TEXT_FEATURES)}.
text = "{default.text}"
# How items are searched: {", ".join(SEARCHES)}.
search = "{default.search}"
seed = {default.seed}
"""
