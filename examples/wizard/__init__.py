"""Plan a trip in four steps: rows, conditional fields, a select that the server feeds, rich text, htmx and WTForms."""
