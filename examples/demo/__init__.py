"""The examples on one address, with deploys and kills at the press of a button."""
