"""A real machine, emulated: its own kernel, SELinux enforcing from the first instruction of systemd on, real NFS."""
