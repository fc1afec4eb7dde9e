from .generate import generate_demo as generate_demo
