"""What is trained on: conversion of arrays and data sets, the validation split, and the mixed data set."""
