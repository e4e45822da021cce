"""What legacy says of itself: changes of subjects, calls behind its seams, and whether somebody may still act."""
