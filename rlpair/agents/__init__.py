"""Learners behind one API: numpy in and out."""
