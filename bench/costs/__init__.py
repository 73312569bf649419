"""Parameters, multiply-adds and the rate of a matrix product."""
