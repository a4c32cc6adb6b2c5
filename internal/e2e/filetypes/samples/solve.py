"""Solves a*x + b = c."""
from fractions import Fraction


def solve(a, b, c):
    return Fraction(c - b, a)


if __name__ == "__main__":
    print("x =", solve(3, 11, 14))
