"""Run MLPerf Inference, BERT on SQuAD v1.1: LoadGen, accuracy, submissions, and a table of one machine.

In `loadgen`, samples become batches that a reader's engine runs (`system`) as LoadGen asks; its logs become a
verdict, F1 (`accuracy`) and the compliance test (`test01`). `run` puts them into one directory, `submission`
several of those into a folder. `table` compares models, and `report` shows the comparison.
"""

from spanjet.bench.mlperf.run import RunConfig, run_scenario
from spanjet.bench.mlperf.submission import write_submission
from spanjet.bench.mlperf.table.table import Table, TableConfig, measure_table

__all__ = ["RunConfig", "Table", "TableConfig", "measure_table", "run_scenario", "write_submission"]
