"""BibTeX of the peers, in the words of their authors' READMEs where these give it."""

TAPIR = (
    "@inproceedings{doersch2023tapir, title={{TAPIR}: Tracking any point with per-frame initialization and temporal "
    "refinement}, author={Doersch, Carl and Yang, Yi and Vecerik, Mel and Gokay, Dilara and Gupta, Ankush and Aytar, Yusuf "
    "and Carreira, Joao and Zisserman, Andrew}, booktitle={ICCV}, year={2023}}"
)
BOOTSTAP = (
    "@inproceedings{doersch2024bootstap, title={{BootsTAP}: Bootstrapped Training for Tracking-Any-Point}, author={Doersch, "
    "Carl and Luc, Pauline and Yang, Yi and Gokay, Dilara and Koppula, Skanda and Gupta, Ankush and Heyward, Joseph and "
    "Rocco, Ignacio and Goroshin, Ross and Carreira, Jo{\\~a}o and Zisserman, Andrew}, booktitle={ACCV}, year={2024}}"
)
TAPNEXT = (
    "@article{zholus2025tapnext, title={{TAPNext}: Tracking Any Point ({TAP}) as Next Token Prediction}, author={Zholus, "
    "Artem and Doersch, Carl and Yang, Yi and Koppula, Skanda and Patraucean, Viorica and He, Xu Owen and Rocco, Ignacio "
    "and Sajjadi, Mehdi S. M. and Chandar, Sarath and Goroshin, Ross}, journal={arXiv:2504.05579}, year={2025}}"
)
TAPNEXT_PLUS_PLUS = (
    "@inproceedings{jung2026tapnextpp, title={{TAPNext++}: What's Next for Tracking Any Point ({TAP})?}, author={Jung, "
    "Sebastian and Zholus, Artem and Sundermeyer, Martin and Doersch, Carl and Goroshin, Ross and Tan, David Joseph and "
    "Chandar, Sarath and Triebel, Rudolph and Tombari, Federico}, booktitle={CVPR Findings}, year={2026}}\n" + TAPNEXT
)
LOCOTRACK = (
    "@inproceedings{cho2024local, title={Local All-Pair Correspondence for Point Tracking}, author={Cho, Seokju and Huang, "
    "Jiahui and Nam, Jisu and An, Honggyu and Kim, Seungryong and Lee, Joon-Young}, booktitle={ECCV}, year={2024}}"
)
ALLTRACKER = (
    "@inproceedings{harley2025alltracker, title={{AllTracker}: Efficient Dense Point Tracking at High Resolution}, "
    "author={Adam W. Harley and Yang You and Xinglong Sun and Yang Zheng and Nikhil Raghuraman and Yunqi Gu and Sheldon "
    "Liang and Wen-Hsuan Chu and Achal Dave and Pavel Tokmakov and Suya You and Rares Ambrus and Katerina Fragkiadaki and "
    "Leonidas J. Guibas}, booktitle={ICCV}, year={2025}}"
)
COTRACKER3 = (
    "@inproceedings{karaev24cotracker3, title={{CoTracker3}: Simpler and Better Point Tracking by Pseudo-Labelling Real "
    "Videos}, author={Nikita Karaev and Iurii Makarov and Jianyuan Wang and Natalia Neverova and Andrea Vedaldi and "
    "Christian Rupprecht}, booktitle={arXiv:2410.11831}, year={2024}}"
)
RAFT = (
    "@inproceedings{teed2020raft, title={{RAFT}: Recurrent All-Pairs Field Transforms for Optical Flow}, author={Teed, "
    "Zachary and Deng, Jia}, booktitle={ECCV}, year={2020}}"
)
PTLFLOW = (
    "@misc{morimitsu2021ptlflow, title={{PyTorch} {Lightning} Optical Flow}, author={Henrique Morimitsu}, "
    "howpublished={https://github.com/hmorimitsu/ptlflow}, year={2021}}"
)
DINOV2 = (
    "@article{oquab2023dinov2, title={{DINOv2}: Learning Robust Visual Features without Supervision}, author={Oquab, Maxime "
    "and Darcet, Timoth{\\'e}e and Moutakanni, Th{\\'e}o and Vo, Huy V. and Szafraniec, Marc and Khalidov, Vasil and "
    "Fernandez, Pierre and Haziza, Daniel and Massa, Francisco and El-Nouby, Alaaeldin and others}, "
    "journal={arXiv:2304.07193}, year={2023}}"
)
