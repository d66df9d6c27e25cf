"""MNIST: IDX files, and a miniature made of the digits of scikit-learn."""
