"""Pictures of figures and of other pictures: a canvas, axes, letters, colours and sheets.

`canvas` needs matplotlib, which a distribution that draws charts requires; it is imported at the
first picture.
"""
