"""Archives' products read as image, noise, flags, PSF and zero point, by an adapter a product, which `recognise` chooses."""

from lensmill.survey.products.recognise import ADAPTERS, OWN, Found, read_lens

__all__ = ["ADAPTERS", "OWN", "Found", "read_lens"]
