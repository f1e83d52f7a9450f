"""Settings of all tests: a property is judged by its answer, never by how long a shared machine took."""

from hypothesis import settings

settings.register_profile("project", deadline=None)
settings.load_profile("project")
