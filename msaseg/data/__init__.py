"""CamVid (SegNet release), synthetic street scenes, splits and loaders."""

import os

# Albumentations asks the package index for a newer version when it is imported, unless this is set before.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
