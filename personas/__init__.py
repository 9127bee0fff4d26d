"""Personas: data only, one Markdown file each."""
