"""Known defects of published numbers, by the name of the defect.

A file of published numbers marks each of its numbers with these names; tables put a
letter for each and explain it below.
"""

DEFECTS = {
    # arXiv 2407.16637
    "unlabelled": (
        "in the repository of the paper's code, for a model that it does not name, so"
        " whether its turn was open or closed is not known; in no table of the paper"
    ),
    # arXiv 2412.00074
    "sampled_guard_2": (
        "answers drawn with temperature 0.1 and four beams, a guard's verdicts those of"
        " Llama Guard 2 8B: not to be compared with the paper's rows of RAFT and DPO"
    ),
    "greedy_guard_1": (
        "greedy answers with a frequency penalty, a guard's verdicts those of"
        " LlamaGuard-7b: not to be compared with the paper's rows of SIT"
    ),
    "truncated": "cut after its last printed digit, not rounded",
    "pairing": (
        "the authors' script sets 78 of the 178 answers beside an instruction that they"
        " do not answer"
    ),
    "impossible": "no whole number of the items gives this percentage",
    "copied": (
        "equal in every digit to the number of another model in the paper, as a row or"
        " on thousands of questions: not a run of its own by any chance"
    ),
    "notebook": "the report and the notebook of its repository print two numbers",
    "one_answer": (
        "nearly all of the answers name one and the same choice, so this is what that"
        " choice is worth"
    ),
}
"""Name to sentence, without its full stop."""
