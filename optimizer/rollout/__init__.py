"""From a plan to what is done when, and how it is carried out, watched and taken back."""
