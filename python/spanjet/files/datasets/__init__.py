"""Read data sets of questions with reference answers: SQuAD and MRQA."""
