"""Action recognition with the features of any video encoder: linear probing and fine-tuning.

Sources: fine-tuning follows VideoMAE (arXiv 2203.12602), as TrackMAE (arXiv 2603.27268) uses it. Linear probing follows SIGMA
(arXiv 2407.15447; QUVA-Lab/SIGMA 9876f09): TrackMAE's table extends SIGMA's, and TrackMAE's code has no linear probing.
"""
