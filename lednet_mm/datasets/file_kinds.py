"""Endings of image files, and the kinds of other files by their first bytes, for messages."""

from __future__ import annotations

IMAGE_ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jp2", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif"),
    *(".pbm", ".pgm", ".ppm", ".pnm"),
)
"""Endings of image files, in lower case."""

VIDEO = "a video"
AVIF = "an AVIF image"

# (offset, bytes there, kind of file)
_IMAGES = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"BM", "BMP"),
    (0, b"GIF8", "GIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (8, b"WEBP", "WebP"),
)
_OTHERS = (
    (8, b"AVI ", f"{VIDEO} (AVI)"),
    (0, b"\x1a\x45\xdf\xa3", f"{VIDEO} (Matroska or WebM)"),
    (0, b"\0\0\x01\xba", f"{VIDEO} (MPEG)"),
    (0, b"\0\0\x01\xb3", f"{VIDEO} (MPEG)"),
    (0, b"FLV\x01", f"{VIDEO} (FLV)"),
    (0, b"\x30\x26\xb2\x75", f"{VIDEO} (WMV)"),
    (0, b"OggS", f"{VIDEO} or sound (Ogg)"),
    (4, b"ftyphei", "a HEIC photo"),
    (4, b"ftyphev", "a HEIC photo"),
    (4, b"ftypmif1", "a HEIC photo"),
    (4, b"ftypcrx", "a camera's raw photo"),
    (4, b"ftypavif", AVIF),
    (4, b"ftyp", f"{VIDEO} (MP4 or MOV)"),
    (128, b"DICM", "a DICOM file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\0\x05\x16\x07", "a file in which macOS keeps attributes of another"),
    (0, b"version https://git-lfs", "a pointer of Git LFS, whose content was not fetched (git lfs pull)"),
)


def kind_of_image(data: bytes) -> str | None:
    """Return the image format that the first bytes of a file belong to, or None."""
    return _first(_IMAGES, data)


def kind_of_other(data: bytes) -> str | None:
    """Return the kind of a file that is not an image, as words with an article, or None if it is unknown."""
    known = _first(_OTHERS, data)
    if known is None and data[:376:188] == b"GG":
        return f"{VIDEO} (MPEG transport stream)"
    beginning = data[:512].lstrip()
    if known is None and beginning.lower().startswith(
        (b"<svg", b"<?xml", b"<!doctype", b"<html", b"{", b"[")
    ):
        return "text (SVG, HTML, XML or JSON)"
    return known


def _first(kinds: tuple[tuple[int, bytes, str], ...], data: bytes) -> str | None:
    return next((kind for at, content, kind in kinds if data[at : at + len(content)] == content), None)
