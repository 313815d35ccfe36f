"""Action recognition with the features of any video encoder: linear probing and fine-tuning.

Sources: the evaluation of VideoMAE (arXiv 2203.12602) as TrackMAE (arXiv 2603.27268) has it, and the linear probing of SIGMA
(arXiv 2407.15447; QUVA-Lab/SIGMA 9876f09), whose rows the table of TrackMAE extends and whose own code has none.
"""
