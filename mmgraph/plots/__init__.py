"""Pictures of networks and of predictions, drawn by matplotlib, which is imported only then.

Every function returns a :class:`matplotlib.figure.Figure` of its own and leaves pyplot alone, so
that nothing depends on a display. Without matplotlib (extra ``plots``) all raise
:class:`~mmgraph.graph.errors.MissingExtraError`.
"""

from mmgraph.plots.charts import confusion_matrix, reliability_diagram
from mmgraph.plots.disparity_maps import disparity_maps
from mmgraph.plots.figures import save
from mmgraph.plots.label_maps import energy_trace, label_map, uncertainty_map
from mmgraph.plots.machines import image_grid, training_curves
from mmgraph.plots.network import draw_network
from mmgraph.plots.predictive_checks import predictive_checks
from mmgraph.plots.retrieval.alignment_matrix import alignment_matrix
from mmgraph.plots.retrieval.hit_sheet import hit_sheet
from mmgraph.plots.retrieval.space_map import space_map
from mmgraph.plots.structure import draw_structure

__all__ = [
    "alignment_matrix",
    "confusion_matrix",
    "disparity_maps",
    "draw_network",
    "draw_structure",
    "energy_trace",
    "hit_sheet",
    "image_grid",
    "label_map",
    "predictive_checks",
    "reliability_diagram",
    "save",
    "space_map",
    "training_curves",
    "uncertainty_map",
]
