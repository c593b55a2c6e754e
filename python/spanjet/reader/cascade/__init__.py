"""Read long texts and many passages with a small model first, and their best windows with a large one."""
