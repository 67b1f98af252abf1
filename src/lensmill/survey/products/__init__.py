"""What archives deliver, made images, noise, flags, PSF and zero point: one small adapter a product, chosen in `recognise`."""

from lensmill.survey.products.recognise import ADAPTERS, OWN, Found, read_lens

__all__ = ["ADAPTERS", "OWN", "Found", "read_lens"]
