"""`make clients`: what is generated in clients/ from the API's description."""
