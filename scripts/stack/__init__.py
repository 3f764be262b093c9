"""The stack on this machine: an emulator of AWS, and the deployment that Terraform makes in it.

Only the standard library: these steps run before anything is installed.
"""
