"""The SELinux policy module, linked into a distribution's policy and asked: no kernel with SELinux is needed."""
