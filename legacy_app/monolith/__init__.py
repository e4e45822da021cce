"""The monolith as found. What strangling added ends with `# seam`; what it replaced stands behind `# found:`."""
