"""Answer Arrow tables and record batches, in engines that run on many processes and machines."""

from spanjet.integrations.arrow.answer_batch import AnswerBatch

__all__ = ["AnswerBatch"]
