"""Changes to a dataset that can be taken back: plan, journal, apply, undo.

New files are written into the quarantine first; from then on a picture or a caption only ever
changes its name, by calls that replace no existing name. Where every file stands tells how far an
operation got, so that a kill at any moment leaves something that can be continued or undone
(datasets.md section C).
"""
