"""What people look at: tables, graphs and HTML pages, the same for every command. Templates are in templates/.

Imports the core alone, and is the only importer of jinja2 and of the graph layout.
"""
