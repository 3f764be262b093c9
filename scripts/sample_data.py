"""The leads of the brief, with the customers, products and reports that belong to them."""

from pathlib import Path

LEADS = Path(__file__).resolve().parent.parent / "docs" / "samples" / "sample_leads.json"
CUSTOMERS = {
    "customer-123": {"name": "Acme Corporation", "email": "billing@acme.example"},
    "customer-456": {"name": "Globex Industries", "email": "billing@globex.example"},
}
PRODUCTS = {
    "product-abc": {"name": "Product ABC", "description": "Accounting for small companies"},
    "product-def": {"name": "Product DEF", "description": "A help desk"},
    "product-xyz": {"name": "Product XYZ", "description": "Payroll"},
}
REPORTS = (("customer-123", "2024-04"), ("customer-456", "2024-04"), ("customer-123", "2024-05"))
