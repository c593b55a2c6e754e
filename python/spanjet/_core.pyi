"""Tokenize text, cut it into windows, pad batches and decode answer spans.

Every array is owned by Rust and handed to NumPy without a copy; it stays valid after the object
that it came from is gone. Arrays that belong to an object (``Encoding.ids``, ``Windows.ids`` …)
are read-only views; those of a `Batch`, of `Spans` and of functions are writable. The interpreter is
released while the core works, and all classes are immutable and safe to share between threads.
"""

from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from spanjet.config import DecodeMode

__all__ = [
    "DECODE_MODES",
    "Batch",
    "Encoding",
    "Encodings",
    "Spans",
    "Tokenizer",
    "Windows",
    "__version__",
    "decode_spans",
    "instruction_sets",
    "processor_name",
    "rank_windows",
    "sentence",
    "usable_cpus",
]

__version__: str

DECODE_MODES: tuple[DecodeMode, ...]

@final
class Tokenizer:
    """Split text into tokens, equal in ids and offsets to those of the Hugging Face ``tokenizers`` package.

    BERT's tokenizer (normalisation, pre-tokenization and greedy WordPiece; Devlin et al. 2019, arXiv
    1810.04805) runs on a path of its own. Every other kind, such as byte-level BPE (Radford et al. 2019)
    and Unigram (Kudo 2018, arXiv 1804.10959), runs on the package's own Rust crate, with the same
    interface. How a question and a context become one sequence comes from the file too.

    It can be pickled: another process reads the files again. Tokenizers of equal files and settings are
    equal, and take each other's encodings.

    Args:
        path: a ``tokenizer.json``; a ``vocab.txt`` (BERT's special tokens and pairs, or MPNet's where the
            ``tokenizer_class``, or else the model's ``config.json``, says so); a ``vocab.json`` with
            ``merges.txt`` beside it (byte-level BPE, RoBERTa's special tokens and pairs); a SentencePiece
            model (Kudo and Richardson 2018, arXiv 1808.06226) of ALBERT, CamemBERT, DeBERTa-v2 or
            XLM-RoBERTa, by the ``tokenizer_class`` or the model's ``config.json``, read as transformers
            converts it; or a directory that holds one of these, the first of them. ``tokenizer_config.json``
            and ``special_tokens_map.json`` beside it are read too: for the padding token, and unless it is a
            ``tokenizer.json``, with ``added_tokens.json``, for all settings.
        match_special_tokens: whether special tokens typed in a text (``[SEP]`` …) become those tokens, as
            they do in the ``tokenizers`` package. By default they are plain text, which is what untrusted
            text needs; where a model spells such a text with the special token itself, as Unigram does, it
            becomes unknown.
        threads: threads that a batch call may use; default: the CPUs this process may use.
            Results do not depend on it.

    Warns:
        UserWarning: ``tokenizer.json`` and ``tokenizer_config.json`` disagree on lower-casing or accents; the
            former is followed.

    Raises:
        FileNotFoundError, OSError: the file is missing or cannot be read.
        ValueError: the file is malformed, its vocabulary lacks a token that is needed, or it does not
            say how pairs are made; the message names the file and what was expected. Or ``threads`` is
            not 1 to 1,024.

    Example:
        >>> import spanjet
        >>> tokenizer = spanjet.Tokenizer("tokenizer.json", threads=2)
        >>> tokenizer
        Tokenizer(model='WordPiece', vocab_size=30522, threads=2)
        >>> tokenizer.encode("When was it built?").tokens
        ['when', 'was', 'it', 'built', '?']
    """

    def __new__(
        cls, path: str | PathLike[str], *, match_special_tokens: bool = False, threads: int | None = None
    ) -> Tokenizer: ...
    @property
    def vocab_size(self) -> int:
        """Number of ids: the largest id of the vocabulary plus one."""
    @property
    def threads(self) -> int:
        """Threads that a batch call may use."""
    @property
    def pad_token_id(self) -> int:
        """Id of the padding token."""
    @property
    def unk_token_id(self) -> int | None:
        """Id of the unknown token; None if the tokenizer has none."""
    @property
    def cls_token_id(self) -> int:
        """Id of the token that opens a window."""
    @property
    def sep_token_id(self) -> int:
        """Id of the token that ends the question and the context."""
    def token_to_id(self, token: str) -> int | None:
        """Look up the id of a vocabulary entry; None if there is no such entry.

        Raises:
            ValueError: a lone surrogate.
            TypeError: not a text.

        Example:
            >>> import spanjet
            >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
            >>> tokenizer.token_to_id("bridge")
            2958
            >>> tokenizer.token_to_id("no such entry") is None
            True
        """
    def id_to_token(self, id: int) -> str | None:
        """Look up the vocabulary entry of an id; None if there is no such id.

        Example:
            >>> import spanjet
            >>> spanjet.Tokenizer("tokenizer.json").id_to_token(2958)
            'bridge'
        """
    def encode(self, text: str) -> Encoding:
        """Tokenize one text, without adding ``[CLS]`` or ``[SEP]``.

        Raises:
            ValueError: the text holds a lone surrogate, or a character that the tokenizer, not BERT's, has
                neither a token nor an unknown token for.
            TypeError: not a text.

        Example:
            >>> import spanjet
            >>> encoding = spanjet.Tokenizer("tokenizer.json").encode("It is 42 metres long.")
            >>> encoding.tokens
            ['it', 'is', '42', 'metres', 'long', '.']
            >>> encoding.offsets[2].tolist()
            [6, 8]
        """
    def encode_batch(self, texts: Sequence[str]) -> Encodings:
        """Tokenize many texts in parallel, without adding ``[CLS]`` or ``[SEP]``.

        Raises:
            ValueError, TypeError: as `encode`; the message gives the text's index.

        Example:
            >>> import spanjet
            >>> encodings = spanjet.Tokenizer("tokenizer.json").encode_batch(["One.", "Two of them."])
            >>> [encoding.tokens for encoding in encodings]
            [['one', '.'], ['two', 'of', 'them', '.']]
        """
    def encode_ids(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Tokenize many texts into ids alone: quicker than `encode_batch`, for those who need no offsets.

        Returns:
            int32[total], vocabulary ids; int64[texts + 1], where each text's ids begin. Both are the
            caller's own and writable.

        Raises:
            ValueError, TypeError: as `encode`; the message gives the text's index.

        Example:
            >>> import spanjet
            >>> ids, indptr = spanjet.Tokenizer("tokenizer.json").encode_ids(["One.", "Two of them."])
            >>> ids[indptr[0] : indptr[1]].tolist()
            [2028, 1012]
        """
    def windows(
        self,
        questions: Sequence[str],
        contexts: Sequence[str | Encoding],
        *,
        max_length: int = 384,
        doc_stride: int = 128,
        convention: Literal["advance", "overlap"] = "advance",
        max_question_length: int | None = 64,
        allow_empty: bool = False,
    ) -> Windows:
        """Cut each question's context into windows ``[CLS] question [SEP] context part [SEP]``.

        Where the tokenizer's file says so, they are ``<s> question </s></s> context part </s>`` or the like.
        Every context token is in at least one window. A context that occurs more than once is
        tokenized once; an `Encoding` is not tokenized again.

        Args:
            questions: one question for each context.
            contexts: texts, or encodings made by this tokenizer.
            max_length: tokens of a window at most, special tokens included.
            doc_stride: ``advance``: the next window starts this many context tokens later;
                ``overlap``: neighbouring windows share this many context tokens.
            convention: ``advance`` is Google's run_squad.py and MLPerf's, ``overlap`` is what
                Hugging Face calls ``stride``.
            max_question_length: a longer question is cut to this many tokens, after runs of white space
                in it became one blank; None: never cut.
            allow_empty: whether a question or context may have no tokens; its windows then have none of it.

        Raises:
            ValueError: different numbers of questions and contexts; a question or context without tokens, a
                lone surrogate, a text that cannot be tokenized, an encoding of another tokenizer, or no room
                for the context, with the index; a setting out of range.
            TypeError: not a sequence, or an item that is neither a text nor an encoding.

        Example:
            >>> import spanjet
            >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
            >>> context = "It is 42 metres long."
            >>> windows = tokenizer.windows(["How long?"], [context], max_length=10, doc_stride=4)
            >>> windows
            Windows(windows=2, questions=1, tokens=18, longest=10)
            >>> [tokenizer.id_to_token(id) for id in windows.ids[: windows.indptr[1]]]
            ['[CLS]', 'how', 'long', '?', '[SEP]', 'it', 'is', '42', 'metres', '[SEP]']
        """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Tokenizer: ...
    def __deepcopy__(self, _memo: Any, /) -> Tokenizer: ...

@final
class Encoding:
    """Tokens of one text; offsets are [start, end) of the original text.

    It can be pickled: another process makes the tokens of the text again, with the same tokenizer files.

    Example:
        >>> import spanjet
        >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
        >>> encoding = tokenizer.encode("Unaffordable?")
        >>> encoding
        Encoding(tokens=5, text='Unaffordable?')
        >>> encoding.tokens
        ['una', '##ff', '##ord', '##able', '?']
        >>> start, end = encoding.offsets[0].tolist()
        >>> encoding.text[start:end]
        'Una'
    """

    @property
    def text(self) -> str:
        """The text that was tokenized."""
    @property
    def ids(self) -> NDArray[np.int32]:
        """int32[n]: vocabulary ids."""
    @property
    def offsets(self) -> NDArray[np.int32]:
        """int32[n, 2]: start and end in code points, so that ``text[start:end]`` is the source.

        Tokens that are bytes of one character all have that character's place; a token may take in the
        white space before it, as its tokenizer's file says.
        """
    @property
    def byte_offsets(self) -> NDArray[np.int32]:
        """int32[n, 2]: start and end in bytes of the text's UTF-8."""
    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made them."""
    @property
    def tokens(self) -> list[str]:
        """The vocabulary entries of the ids."""
    def __len__(self) -> int: ...
    def __copy__(self) -> Encoding: ...
    def __deepcopy__(self, _memo: Any, /) -> Encoding: ...

@final
class Encodings:
    """Tokens of many texts, flat: text i has the rows ``indptr[i]:indptr[i + 1]``.

    A sequence of `Encoding` too: ``encodings[i]``, ``len(encodings)``, ``for encoding in encodings``.

    Example:
        >>> import spanjet
        >>> encodings = spanjet.Tokenizer("tokenizer.json").encode_batch(["One.", "Two of them."])
        >>> encodings
        Encodings(texts=2, tokens=6)
        >>> encodings.indptr.tolist()
        [0, 2, 6]
        >>> encodings[1].tokens
        ['two', 'of', 'them', '.']
    """

    @property
    def ids(self) -> NDArray[np.int32]:
        """int32[total]: vocabulary ids."""
    @property
    def offsets(self) -> NDArray[np.int32]:
        """int32[total, 2]: start and end in code points of each token's own text."""
    @property
    def byte_offsets(self) -> NDArray[np.int32]:
        """int32[total, 2]: start and end in bytes of each token's own text."""
    @property
    def indptr(self) -> NDArray[np.int64]:
        """int64[texts + 1]: where each text's tokens begin; the last is their total."""
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Encoding]: ...
    def __getitem__(self, index: int, /) -> Encoding: ...

@final
class Windows:
    """Windows of many questions, ragged: window i has the rows ``indptr[i]:indptr[i + 1]``.

    The windows of a question are neighbours, in the order of the context. `Tokenizer.windows` makes them.

    Example:
        >>> import spanjet
        >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
        >>> windows = tokenizer.windows(["How long?", "How high?"], ["It is 42 metres long."] * 2)
        >>> windows
        Windows(windows=2, questions=2, tokens=24, longest=12)
        >>> windows.context_start.tolist()
        [5, 5]
    """

    @property
    def ids(self) -> NDArray[np.int32]:
        """int32[total]: vocabulary ids, special tokens included."""
    @property
    def indptr(self) -> NDArray[np.int64]:
        """int64[windows + 1]: where each window's tokens begin; the last is their total."""
    @property
    def question(self) -> NDArray[np.int32]:
        """int32[windows]: index of the window's question."""
    @property
    def context_start(self) -> NDArray[np.int32]:
        """int32[windows]: position in the window where the context begins."""
    @property
    def context_offset(self) -> NDArray[np.int32]:
        """int32[windows]: index of the window's first context token among the context's tokens."""
    @property
    def question_length(self) -> NDArray[np.int32]:
        """int32[questions]: tokens of each question before it was cut to ``max_question_length``."""
    @property
    def contexts(self) -> list[Encoding]:
        """Each question's context."""
    def batch(self, rows: NDArray[np.int64], *, length: int | None = None, multiple_of: int = 1) -> Batch:
        """Pad some windows, in the order given, into the inputs of a model.

        Args:
            rows: int64[b], indices of windows.
            length: columns; default: the longest window of ``rows``, rounded up.
            multiple_of: ``length``, when not given, is rounded up to a multiple of this.

        Raises:
            IndexError: a row that does not exist.
            ValueError: no rows, a window longer than ``length``, a number out of range, or an array that is
                not C-contiguous.
            TypeError: another dtype or number of dimensions.
            MemoryError: the batch does not fit into memory.

        Example:
            >>> import numpy as np
            >>> import spanjet
            >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
            >>> windows = tokenizer.windows(["How long?"], ["It is 42 metres long."])
            >>> windows.batch(np.arange(len(windows)), multiple_of=8)
            Batch(rows=1, length=16)
        """
    def scatter(self, rows: NDArray[np.int64], values: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """Take the padding off a batch's logits.

        Row i of ``values`` goes to where window ``rows[i]`` lies in the ragged ``out``.

        Args:
            rows: int64[b], indices of windows, as given to `batch`.
            values: float32[b, length].
            out: float32[total], written in place; ``total`` is ``indptr[-1]``. Threads may share it.

        Raises:
            IndexError, ValueError, TypeError: as `batch`, or shapes that do not fit.

        Example:
            >>> import numpy as np
            >>> import spanjet
            >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
            >>> windows = tokenizer.windows(["How long?"], ["It is 42 metres long."])
            >>> rows = np.arange(len(windows))
            >>> padded = np.ones((1, 16), np.float32)  # a model's, usually
            >>> out = np.zeros(windows.indptr[-1], np.float32)
            >>> windows.scatter(rows, padded, out)
            >>> int(out.sum())
            12
        """
    def select(self, rows: NDArray[np.int64]) -> Windows:
        """Keep some windows; every question stays, also one that is left without any.

        Args:
            rows: int64[b], increasing indices of windows.

        Raises:
            IndexError: a row that does not exist.
            ValueError: the rows do not increase, or are not C-contiguous.
            TypeError: another dtype or number of dimensions.

        Example:
            >>> import numpy as np
            >>> import spanjet
            >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
            >>> windows = tokenizer.windows(["How long?", "How high?"], ["It is 42 metres long."] * 2)
            >>> windows.select(np.array([1])).question.tolist()
            [1]
        """
    def central(self, questions: NDArray[np.int64], characters: NDArray[np.int32]) -> NDArray[np.int64]:
        """Find the windows in which places of the contexts are most central.

        Neighbouring windows meet in the middle of what they share.

        Args:
            questions: int64[n], indices of questions.
            characters: int32[n], code points of their contexts.

        Returns:
            int64[n], indices of windows.

        Raises:
            ValueError: different numbers of questions and characters, a question that does not exist or has
                no windows, or an array that is not C-contiguous.
            TypeError: another dtype or number of dimensions.

        Example:
            >>> import numpy as np
            >>> import spanjet
            >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
            >>> context = "It is 42 metres long."
            >>> windows = tokenizer.windows(["How long?"], [context], max_length=10, doc_stride=2)
            >>> windows.context_offset.tolist()
            [0, 2]
            >>> windows.central(np.array([0, 0]), np.array([0, 20], np.int32)).tolist()
            [0, 1]
        """
    def __len__(self) -> int: ...

@final
class Batch:
    """Inputs of a model, row-major; the padding has the padding token's id, mask 0 and type 0.

    Example:
        >>> import numpy as np
        >>> import spanjet
        >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
        >>> windows = tokenizer.windows(["How long?"], ["It is 42 metres long."])
        >>> batch = windows.batch(np.array([0]), length=14)
        >>> batch
        Batch(rows=1, length=14)
        >>> batch.attention_mask[0].tolist()
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]
    """

    @property
    def input_ids(self) -> NDArray[np.int32]:
        """int32[rows, length]: vocabulary ids."""
    @property
    def attention_mask(self) -> NDArray[np.int32]:
        """int32[rows, length]: 1 for tokens, 0 for padding."""
    @property
    def token_type_ids(self) -> NDArray[np.int32]:
        """int32[rows, length]: 1 for the context and its ``[SEP]``, otherwise 0, for BERT.

        For others what the tokenizer's file says, all 0 for RoBERTa.
        """

@final
class Spans:
    """Answer spans, best first: question i has the rows ``indptr[i]:indptr[i + 1]``.

    A span neither begins nor ends with white space that a token takes in. A row whose ``window`` is -1 is
    the null answer: its offsets are 0. A question without any span has it alone.

    Example:
        >>> import numpy as np
        >>> import spanjet
        >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
        >>> windows = tokenizer.windows(["How long?", "How high?"], ["It is 42 metres long."] * 2)
        >>> logits = np.zeros(len(windows.ids), np.float32)  # a model's, usually
        >>> spans = spanjet.decode_spans(windows, logits, logits, top_k=2, overlap=True)
        >>> spans
        Spans(questions=2, spans=4)
        >>> spans.indptr.tolist()
        [0, 2, 4]
    """

    @property
    def indptr(self) -> NDArray[np.int64]:
        """int64[questions + 1]: where each question's spans begin."""
    @property
    def start(self) -> NDArray[np.int32]:
        """int32[spans]: first code point in the context."""
    @property
    def end(self) -> NDArray[np.int32]:
        """int32[spans]: code point after the last one."""
    @property
    def byte_start(self) -> NDArray[np.int32]:
        """int32[spans]: first byte of the context's UTF-8."""
    @property
    def byte_end(self) -> NDArray[np.int32]:
        """int32[spans]: byte after the last one."""
    @property
    def score(self) -> NDArray[np.float32]:
        """float32[spans]: the calibrated share of the span, 0 to 1; of the null answer ``no_answer``.

        In mode ``hf`` it is as defined there, and may be greater than 1.
        """
    @property
    def logit(self) -> NDArray[np.float32]:
        """float32[spans]: start logit plus end logit; of the null answer its ``null_logit``."""
    @property
    def null_logit(self) -> NDArray[np.float32]:
        """float32[spans]: start plus end logit of ``[CLS]`` in the span's window.

        For the null answer it is that of the best span's window, in mode ``hf`` that of the window which
        gave ``no_answer``; in mode ``squad`` it is always the smallest of all windows.
        """
    @property
    def window(self) -> NDArray[np.int32]:
        """int32[spans]: the window that gave the span, or -1 for the null answer."""
    @property
    def no_answer(self) -> NDArray[np.float32]:
        """float32[questions]: the probability that the context does not answer the question."""

def sentence(text: str, start: int, end: int) -> tuple[int, int]:
    """Find the sentence around ``text[start:end]``, or the sentences that it touches.

    Sentences are those of Unicode Standard Annex 29, but lines that no empty line follows go on, and
    abbreviations ("Dr.") and initials end none.

    Args:
        text: a text.
        start, end: code points.

    Returns:
        Its start and end in code points, without white space around it.

    Raises:
        ValueError: the range is reversed or extends past the end of the text, or a lone surrogate.
        TypeError: not a text.

    Example:
        >>> import spanjet
        >>> text = "The bridge was built in 1887. It is 42 metres long."
        >>> start, end = spanjet.sentence(text, 24, 28)
        >>> text[start:end]
        'The bridge was built in 1887.'
    """

def processor_name() -> str | None:
    """Return the name that the processor gives itself; None where it gives none (not x86).

    Example:
        >>> import spanjet._core
        >>> isinstance(spanjet._core.processor_name(), (str, type(None)))
        True
    """

def instruction_sets() -> list[str]:
    """Return the usable instruction sets that decide how fast inference is, by Linux's names.

    Those of x86 are ``sse4_1``, ``avx2``, ``avx_vnni``, ``avx512f``, ``avx512_vnni``, ``avx512_bf16``,
    ``amx_int8`` and ``amx_bf16``; those of AArch64 ``asimd``, ``asimddp``, ``i8mm`` and ``bf16``.

    Example:
        >>> import spanjet._core
        >>> isinstance(spanjet._core.instruction_sets(), list)
        True
    """

def usable_cpus(root: str | PathLike[str] = "/") -> int:
    """Count the CPUs that this process may use, at least 1.

    They are those that it may run on (its affinity), or fewer where its control group has the time of
    fewer, as containers do (``cpu.max``, or ``cpu.cfs_quota_us`` of version 1); a part of one counts as one.

    Args:
        root: the directory whose ``proc`` and ``sys`` tell it.

    Example:
        >>> import spanjet._core
        >>> spanjet._core.usable_cpus() >= 1
        True
    """

def decode_spans(
    windows: Windows,
    start_logits: NDArray[np.float32],
    end_logits: NDArray[np.float32],
    *,
    mode: DecodeMode = "global",
    top_k: int = 1,
    n_best: int = 20,
    max_answer_length: int = 30,
    threshold: float | None = None,
    slope: float = 1.0,
    intercept: float = 0.0,
    temperature: float = 1.0,
    sentence_margin: float = 0.0,
    overlap: bool = False,
    align_to_words: bool = True,
    handle_impossible_answer: bool = False,
) -> Spans:
    """Find the best answer spans of each question.

    ``global``: one list of candidates over all windows of a question. A span is a pair of context tokens of
    one window, at most ``max_answer_length`` tokens long, widened to whole words. Its margin is the sum of
    its logits minus that of ``[CLS]`` in the same window, less ``sentence_margin`` where it reaches over the
    end of a sentence; spans with the same offsets are one candidate, with the greatest margin. The
    ``n_best`` candidates of greatest margin share the probability P that there is an answer, which is
    the logistic function of ``slope * greatest margin + intercept``, by a softmax of their margins over the
    temperature. One that overlaps a better one is left out, with its share, unless ``overlap``. Further
    candidates, which only a ``top_k`` that needs them shows, have the score 0. Order: margin, then earlier
    start, then earlier end.

    ``squad``: run_squad.py of Devlin et al. 2019, as MLPerf uses it. Candidates are pairs of each
    window's ``n_best`` best starts and ends; the start must lie where its window is the one of
    maximum context; texts are projected back to the original (``get_final_text``; with tokenizers other
    than BERT's they are what the tokens cover), equal texts are one, and graphemes are kept whole. Margins
    are logits minus the smallest null logit of the windows; the list shares P in the same way, in the order
    of the logits. With a small ``n_best`` no pair may be left.

    ``hf``: the question-answering pipeline of transformers 4.57, fault for fault. The start and the end
    logits of a window become probabilities by a softmax each, over the context and ``[CLS]``; the score of a
    span is the product of its two. Of each window the ``top_k`` best spans take part, or ``2 * top_k + 10``
    with ``align_to_words``, which widens them to the tokenizer's own words. Those of all windows whose texts
    are equal but for case are one answer, with the sum of their scores. ``no_answer`` is the smallest product
    of the two probabilities of ``[CLS]`` in a window; with ``handle_impossible_answer`` the null answer has
    it as its score and ranks by it. A short context may fill the list with answers of the score 0. Use it
    with the ``overlap`` convention and uncut questions.

    Args:
        windows: the windows that the logits belong to.
        start_logits, end_logits: float32, C-contiguous: either [total] (ragged, as ``windows.ids``)
            or [windows, length] (padded; columns past a window's end are not read).
        mode: one of ``DECODE_MODES``, see above.
        top_k: spans of each question at most, the null answer included.
        n_best: candidates (see above), at least 1; in ``squad`` at least ``top_k``; ignored in ``hf``.
        max_answer_length: tokens of a span at most, at least 1.
        threshold: if given and P is less, the question's first span is the null answer (SQuAD v2;
            Rajpurkar et al. 2018, arXiv 1806.03822); 0 to 1; ``hf`` refuses one.
        slope, intercept, temperature, sentence_margin: see `spanjet.Calibration`; ignored in ``hf``.
        overlap: see above; only in ``global``.
        align_to_words: whether spans are whole words (Unicode Standard Annex 29; what an apostrophe joins may
            stand alone), or only whole graphemes; in ``hf`` the tokenizer's words, or the tokens as they are;
            not in ``squad``.
        handle_impossible_answer: see above; only in ``hf``.

    Raises:
        ValueError: shapes that do not fit, a logit that is not a number from -1e30 to 1e30 (with
            window and position), an unknown mode, a number out of range or not of single precision, or a
            ``threshold`` in ``hf``.
        TypeError: another dtype.

    Example:
        >>> import numpy as np
        >>> import spanjet
        >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
        >>> context = "The bridge was built in 1887. It is 42 metres long."
        >>> windows = tokenizer.windows(["When was it built?"], [context])
        >>> logits = np.where(windows.ids == tokenizer.token_to_id("1887"), 5, 0).astype(np.float32)
        >>> spans = spanjet.decode_spans(windows, logits, logits)
        >>> context[spans.start[0] : spans.end[0]]
        '1887'
    """

def rank_windows(
    windows: Windows,
    start_logits: NDArray[np.float32],
    end_logits: NDArray[np.float32],
    *,
    max_answer_length: int = 30,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Rank windows by what may answer in them, so that another model need only read the best.

    The rank of a window is the margin of its best span that begins where no other window of the question is
    more central (see `Windows.central`), so that one place does not rank several windows.

    Args:
        windows: the windows that the logits belong to.
        start_logits, end_logits: as for `decode_spans`.
        max_answer_length: tokens of a span at most, at least 1.

    Returns:
        float32[windows], the margin of the span: its logits minus those of ``[CLS]``; -inf where a window has
        no such span. int32[windows], the code point of the context where the span begins.

    Raises:
        ValueError, TypeError: as `decode_spans`.

    Example:
        >>> import numpy as np
        >>> import spanjet
        >>> from spanjet._core import rank_windows
        >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
        >>> windows = tokenizer.windows(["How long?"], ["It is 42 metres long."])
        >>> logits = np.where(windows.ids == tokenizer.token_to_id("42"), 5, 0).astype(np.float32)
        >>> margin, start = rank_windows(windows, logits, logits)
        >>> margin.tolist(), start.tolist()
        ([10.0], [6])
    """
