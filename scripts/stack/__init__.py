"""The stack on this machine: an emulator of AWS, what Terraform puts on it, and the way back.

Standard library only: these steps run before anything is installed.
"""
