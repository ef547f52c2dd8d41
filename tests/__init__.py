"""Tests of Yizhan; importable so that suites can share their doubles (tests.support)."""
