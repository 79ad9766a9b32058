"""Members as files that need nothing of this project.

- `export` writes the files of a run's members and reads each back; `job` has the images and outputs it must give.
- `python_source` and the other `python_` modules write a member as a Python file of plain torch.
- `families` says how members of a family are built; `card` describes the export in words; `staged` puts the folder
  in place once it is whole.
"""
