#!/bin/bash

LOCK_FILE="/var/crane/cranectld/cranectld.lock"

echo "$date on_master execute" >> /tmp/on_master.log

# Open file descriptor 9
exec 9>"$LOCK_FILE"

# Try to acquire an exclusive lock, wait up to 2 seconds
if flock -x -w 2 9; then
  echo "Lock is NOT held by another CraneCtld instance (acquired)." >> /tmp/on_master.log
  # Release the lock without deleting the file
  flock -u 9

  systemctl restart cranectld >> /tmp/on_master.log 2>&1
else
  echo "Could not acquire lock within 5 seconds. Assuming lock is held by another instance." >> /tmp/on_master.log
  # Close fd 9
  exec 9>&-
fi

# Email notifications can be configured here if needed
