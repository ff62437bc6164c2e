"""Published data sets: where to get them, how large they are.

Sizes and addresses are those that the authors and users of the data sets state; the MD5 sums are those
of Zenodo. What nobody states is None and printed as unknown.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One data set and where to get it."""

    name: str
    summary: str
    addresses: tuple[str, ...]
    # As told beside the address.
    size: str | None = None
    sha256: str | None = None
    md5: str | None = None
    # What to know before downloading.
    note: str = ""

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.summary}", *(f"  from      {address}" for address in self.addresses)]
        lines += [f"  size      {self.size or 'unknown'}", f"  sha256    {self.sha256 or 'unknown'}"]
        lines += [f"  md5       {self.md5}"] if self.md5 else []
        return "\n".join([*lines, f"  note      {self.note}"] if self.note else lines)


CATALOGUE = (
    Published(
        "ModelNet10-SO(3)",
        "10 categories of furniture, 4,899 models; 399,100 views (or 79,820) to train on and 18,160 to test on",
        (
            "http://isis-data.science.uva.nl/shuai/datasets/ModelNet10-SO3.tar.gz",
            "https://drive.google.com/open?id=17GLZbNTDq8B_MOgrV1TiJPoqcm_oQ_mK",
            "https://i81server.iar.kit.edu/RotationNormFlow/ModelNet10-SO3.zip",
        ),
        size="2.4 GB",
        note="unpack it; the folder may stay nested in one of the same name",
    ),
    Published(
        "SYMSOL I and II",
        "8 solids, 45,000 views of each to train on and 5,000 to test on, with all equivalent rotations",
        ("https://storage.googleapis.com/gresearch/implicit-pdf/symsol_dataset.zip",),
        size="3.1 GB",
        note="may stay a zip file; unpacked it opens faster",
    ),
    Published(
        "PASCAL3D+ 1.1",
        "photographs of 12 categories from PASCAL VOC and ImageNet with viewpoints",
        ("ftp://cs.stanford.edu/cs/cvgl/PASCAL3D+_release1.1.zip",),
    ),
    Published(
        "RenderForCNN",
        "pictures of ShapeNet models in the 12 categories of PASCAL3D+, to train on beside the photographs",
        ("https://shapenet.cs.stanford.edu/media/syn_images_cropped_bkg_overlaid.tar",),
        note="the address was reported dead in 2025; unpack the folder beside PASCAL3D+_release1.1",
    ),
    Published(
        "SPEED+",
        "the satellite Tango: 47,966 rendered pictures to train on, 11,994 to validate on; "
        "6,740 photographs of a model in diffuse light and 2,791 in direct light",
        (
            "https://zenodo.org/records/5588480/files/speedplusv2.zip",
            "https://purl.stanford.edu/wv398fc4383",
        ),
        size="16.9 GB",
        md5="5cb3f44219054c49959e2009e597523b",
        note="the second version (speedplusv2) has the labels of lightbox and sunlamp; masks are elsewhere, "
        "see https://github.com/tpark94/spnv2",
    ),
    Published(
        "SPEED",
        "the satellite Tango, 12,000 rendered pictures with labels, 2,998 rendered and 300 photographs without",
        ("https://zenodo.org/records/6327547", "https://purl.stanford.edu/dz692fn7184"),
        note="the labels of test and real_test are not published",
    ),
)
