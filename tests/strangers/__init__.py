"""Applications that are not our sample, as teams write them, and what strangling one takes."""
