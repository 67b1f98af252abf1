"""What the catalogue says of a lens: names, units, meanings."""

MASS = ("theta_E", "gamma", "e1", "e2", "center_x", "center_y", "gamma1", "gamma2")
IMAGE_UNIT = "image unit"
QUANTITIES = {  # name: (unit, what it is)
    "theta_E": ("arcsec", "Einstein radius of the power law, as lenstronomy defines it"),
    "gamma": ("", "logarithmic slope of the three-dimensional density"),
    "e1": ("", "ellipticity of the mass, component along x: (1-q)/(1+q) cos 2 phi"),
    "e2": ("", "ellipticity of the mass, component along the diagonal: (1-q)/(1+q) sin 2 phi"),
    "center_x": ("arcsec", "centre of the mass, to the right of the cutout's centre"),
    "center_y": ("arcsec", "centre of the mass, above the cutout's centre"),
    "gamma1": ("", "external shear, component along x"),
    "gamma2": ("", "external shear, component along the diagonal"),
    "q": ("", "axis ratio of the mass"),
    "phi": ("deg", "position angle of the mass's major axis, counter-clockwise from x"),
    "shear": ("", "strength of the external shear"),
    "shear_angle": ("deg", "angle of the external shear, counter-clockwise from x"),
    "magnification": ("", "flux of the lensed source, in the frame that was fitted, over flux of the source"),
    "effective_einstein_radius": ("arcsec", "radius of the circle with the area inside the tangential critical curve"),
    "critical_area": ("arcsec2", "area inside the tangential, i.e. the largest, critical curve of all mass"),
    "source_flux": (
        IMAGE_UNIT,
        "total flux of the source over the whole source plane, as it would be without the lens",
    ),
    "source_mag": ("mag", "AB magnitude of that flux of the source"),
    "source_flux_density": ("uJy", "flux density of that flux of the source"),
    "lens_flux": (IMAGE_UNIT, "total flux of the lens galaxy's light, that of all its profiles out to infinity"),
    "lens_mag": ("mag", "AB magnitude of that flux of the lens galaxy"),
    "lens_flux_density": ("uJy", "flux density of that flux of the lens galaxy"),
}
PHOTOMETRY = ("lens_mag", "lens_flux_density", "lens_flux", "source_mag", "source_flux_density")


ANGLES = tuple(name for name, (unit, _) in QUANTITIES.items() if unit == "deg")  # modulo 180
ON_THE_SKY = {  # name: (the angle in the image that it is of, what it is)
    "pa": ("phi", "position angle of the mass's major axis, East of North"),
    "shear_pa": ("shear_angle", "position angle of the external shear, East of North"),
}


EVIDENCE = {  # name: (unit, dtype, what it is)
    "rhat_max": ("", float, "largest rank-normalised split R-hat of the lens parameters"),
    "ess_bulk_min": ("", float, "smallest bulk effective sample size of the lens parameters"),
    "ess_tail_min": ("", float, "smallest tail effective sample size of the lens parameters"),
    "divergences": ("", int, "divergent transitions after warm-up"),
    "ebfmi_min": ("", float, "smallest energy Bayesian fraction of missing information of the chains"),
    "chi2_reduced": ("", float, "reduced chi square of the residuals, used pixels"),
    "ppp": ("", float, "posterior predictive p-value of chi square"),
    "gradients": ("", int, "gradients of the log density spent on the lens"),
    "run_time_s": ("s", float, "time spent on the lens, its share of the batch"),
    "seed": ("", int, "seed of the lens, which descends from that of the run"),
    "key": ("", str, "hash of all that made the result: cutout, priors, model, network, settings, code"),
    "config_hash": ("", str, "hash of the configuration that the result depends on"),
}


DERIVED = ("magnification", "effective_einstein_radius", "critical_area", "source_flux", "lens_flux")
