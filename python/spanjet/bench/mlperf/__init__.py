"""Run MLPerf Inference (BERT on SQuAD v1.1) with LoadGen: accuracy, compliance, submissions, comparisons.

In `loadgen`, a reader's engine runs batches of samples (`system`) as LoadGen queries them; LoadGen's logs
give a verdict, F1 (`accuracy`) and the compliance test (`test01`). `run` writes them to one directory, and
`submission` packs several of those into a folder. `table` compares models, and `report` renders the
comparison.
"""

from spanjet.bench.mlperf.run import RunConfig, run_scenario
from spanjet.bench.mlperf.submission import write_submission
from spanjet.bench.mlperf.table.table import Table, TableConfig, measure_table

__all__ = ["RunConfig", "Table", "TableConfig", "measure_table", "run_scenario", "write_submission"]
