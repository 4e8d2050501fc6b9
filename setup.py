"""The packages, which pyproject.toml can find but not add to: the folder `conf` is shipped as `msaseg/conf`."""

from setuptools import find_namespace_packages, setup

CONF = [f"msaseg.conf.{folder}" for folder in find_namespace_packages("conf")]

setup(packages=[*find_namespace_packages(include=["msaseg*"]), "msaseg.conf", *CONF])
