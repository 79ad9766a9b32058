"""The whole catalogue: every diagnostic there is, by its code.

Guarantees: codes are unique; the order is that of the codes. Importing this imports every area, so only the commands
that list the catalogue do.
"""

from __future__ import annotations

from swc.diagnostics.catalogue.actions import ACTIONS
from swc.diagnostics.catalogue.arguments import ARGUMENTS
from swc.diagnostics.catalogue.budget import BUDGET
from swc.diagnostics.catalogue.clusters import CLUSTERS
from swc.diagnostics.catalogue.comparing import COMPARING
from swc.diagnostics.catalogue.corrupting import CORRUPTING
from swc.diagnostics.catalogue.data import DATA
from swc.diagnostics.catalogue.data_parts import DATA_PARTS
from swc.diagnostics.catalogue.disturbing import DISTURBING
from swc.diagnostics.catalogue.evaluation import EVALUATION
from swc.diagnostics.catalogue.exporting import EXPORTING
from swc.diagnostics.catalogue.files import FILES
from swc.diagnostics.catalogue.formats import FORMATS
from swc.diagnostics.catalogue.given_weights import GIVEN_WEIGHTS
from swc.diagnostics.catalogue.inputs import INPUTS
from swc.diagnostics.catalogue.limits import LIMITS
from swc.diagnostics.catalogue.members import MEMBERS
from swc.diagnostics.catalogue.names import NAMES
from swc.diagnostics.catalogue.plugins import PLUGINS
from swc.diagnostics.catalogue.policies import POLICIES
from swc.diagnostics.catalogue.ranks import RANKS
from swc.diagnostics.catalogue.reading import READING
from swc.diagnostics.catalogue.recipes import RECIPES
from swc.diagnostics.catalogue.reports import REPORTS
from swc.diagnostics.catalogue.run import RUN
from swc.diagnostics.catalogue.show import SHOW
from swc.diagnostics.catalogue.slimming import SLIMMING
from swc.diagnostics.catalogue.splitting import SPLITTING
from swc.diagnostics.catalogue.steps import STEPS
from swc.diagnostics.catalogue.structure import STRUCTURE
from swc.diagnostics.catalogue.sweeps import SWEEPS
from swc.diagnostics.catalogue.syntax_errors import SYNTAX_ERRORS
from swc.diagnostics.catalogue.tables import TABLES
from swc.diagnostics.catalogue.tasks import TASKS
from swc.diagnostics.catalogue.tracking import TRACKING
from swc.diagnostics.catalogue.training import TRAINING
from swc.diagnostics.catalogue.trust import TRUST
from swc.diagnostics.catalogue.trying import TRYING
from swc.diagnostics.catalogue.unused import UNUSED
from swc.diagnostics.catalogue.values import VALUES
from swc.diagnostics.diagnostic import Diagnostic

AREAS: tuple[tuple[str, tuple[type[Diagnostic], ...]], ...] = (
    ("Syntax", SYNTAX_ERRORS),
    ("Names and structure", (*NAMES, *STEPS, *STRUCTURE, *UNUSED, *LIMITS, *ARGUMENTS, *PLUGINS, *ACTIONS)),
    ("Values, units and ranges", (*VALUES, *RECIPES)),
    ("Members and layers", (*MEMBERS, *TRYING, *GIVEN_WEIGHTS)),
    ("Selection and clusters", CLUSTERS),
    ("Tasks", TASKS),
    ("Sharing policies", POLICIES),
    ("Splitting into a number", SPLITTING),
    ("Budget and allocation", BUDGET),
    ("Data sets", (*DATA, *DATA_PARTS, *INPUTS, *READING, *TABLES)),
    ("Training: checkpoints, feedback", (*RUN, *DISTURBING, *TRAINING, *TRACKING)),
    ("Several processes", RANKS),
    ("Files and the command", FILES),
    ("Showing and comparing", SHOW),
    ("Evaluating", EVALUATION),
    ("Corrupted images", CORRUPTING),
    ("Exporting", EXPORTING),
    ("Sweeps", SWEEPS),
    ("Reports", REPORTS),
    ("Comparing ensembles", COMPARING),
    ("Slimming", SLIMMING),
    ("Trust", TRUST),
    ("Compiled files", FORMATS),
)

_CLASSES = tuple(found for _, classes in AREAS for found in classes)
CATALOGUE: dict[str, type[Diagnostic]] = {found.code: found for found in sorted(_CLASSES, key=lambda c: c.code)}
