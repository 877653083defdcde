"""What `inspect` returns, and how it is shown: as text, HTML, Markdown, JSON, records and plots."""
